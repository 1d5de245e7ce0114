"""The ray tracer against closed forms and a plain oracle."""

import multiprocessing

import numpy as np
import pytest
import torch
import trimesh

from ownhand.geometry.camera import Camera
from ownhand.geometry.meshes import vertex_normals
from ownhand.render import Ambient, Light, Material, Mesh, Scene, Surface, Texture, render
from ownhand.render.device import search_tree
from ownhand.render.kernel_normals import smooth_normals

WHITE = Material(specular=0.0)
DARK = Ambient.gradient(sky=(0, 0, 0), ground=(0, 0, 0))
EVEN = Ambient.gradient(sky=(1, 1, 1), ground=(1, 1, 1))
QUAD = Surface(faces=np.array([[0, 2, 1], [0, 3, 2]]), uv=np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
CORNERS = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])


def quad(half: float, z: float, **kwargs) -> Mesh:
    return Mesh(verts=CORNERS * half + [0, 0, z], surface=kwargs.pop("surface", QUAD), **kwargs)


def sphere(radius: float, centre, subdivisions: int = 4, **kwargs) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions, radius)
    return Mesh(verts=ball.vertices + centre, surface=Surface(faces=ball.faces), **kwargs)


def camera(focal: float, size: int) -> Camera:
    return Camera(K=torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]), size=(size, size))


def pixel_rays(view: Camera) -> np.ndarray:
    height, width = view.size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return view.rays(torch.from_numpy(np.stack([x, y], -1).reshape(-1, 2)).float()).numpy().reshape(height, width, 3)


def drawn(*meshes, view=None, lights=(), ambient=EVEN, **kwargs):
    view = camera(100, 64) if view is None else view
    return render(Scene(meshes=meshes, lights=lights, ambient=ambient), view, **kwargs)


def test_a_sphere_has_the_depth_and_the_silhouette_of_its_closed_form():
    radius, distance, view = 0.1, 0.6, camera(200, 96)
    picture = drawn(sphere(radius, [0, 0, distance], 5), view=view)
    rays = pixel_rays(view)
    a, b, c = (rays**2).sum(-1), -2 * distance * rays[..., 2], distance**2 - radius**2
    root = b * b - 4 * a * c
    inside = root > 0
    depth = (-b - np.sqrt(np.maximum(root, 0))) / (2 * a)
    deep = root > 0.03 * root.max()  # away from the rim, where a mesh of flat faces differs
    assert np.abs(picture.depth - depth)[deep].max() < 1.5e-4
    assert np.isinf(picture.depth[~inside]).all()
    # A centred sphere projects onto a disk of radius f tan(asin(r / d)).
    disk = np.pi * (200 * np.tan(np.arcsin(radius / distance))) ** 2
    assert picture.alpha.sum() == pytest.approx(disk, rel=5e-3)


def test_a_sphere_is_shaded_by_lambert_with_its_true_normals():
    view, centre = camera(200, 96), np.array([0, 0, 0.6])
    light = np.array([3.0, -4.0, -5.0])
    ball = sphere(0.1, centre, 5, material=WHITE)
    picture = drawn(ball, view=view, ambient=DARK, lights=(Light(position=tuple(light), radius=0.0),))
    points = pixel_rays(view) * np.where(np.isfinite(picture.depth), picture.depth, 0)[..., None]
    normals = (points - centre) / 0.1
    path = light - points
    distance = np.linalg.norm(path, axis=-1)
    expected = (normals * path).sum(-1) / distance**3
    inner = (picture.alpha == 1) & (normals[..., 2] < -0.45)  # pixels at the rim hold many normals
    lit = inner & (expected * distance**2 > 0.15)
    assert lit.sum() > 1000
    assert np.abs(picture.rgb[..., 0] / expected - 1)[lit].max() < 0.02
    far_side = inner & (expected * distance**2 < -0.15)
    assert picture.rgb[far_side].max() == 0


def test_even_ambient_light_returns_the_colour_of_a_convex_body():
    picture = drawn(sphere(0.1, [0, 0, 0.6], material=Material(colour=(0.8, 0.4, 0.2), specular=0.0)))
    inner = picture.alpha == 1
    assert np.abs(picture.rgb[inner] - [0.8, 0.4, 0.2]).max() < 0.01


def test_a_textured_quad_returns_its_texture():
    colour = np.random.default_rng(0).random((32, 32, 3), np.float32)
    material = Material(texture=Texture(colour=colour), specular=0.0)
    # 32 texels over exactly 64 pixels: every pixel lies a quarter of a texel from a texel's centre.
    picture = drawn(quad(0.32, 1.0, material=material), samples=1, ambient_rays=0)
    padded = np.pad(colour, ((1, 1), (1, 1), (0, 0)), mode="wrap")
    place = (np.arange(64) + 0.5) / 2 - 0.5 + 1
    low, blend = np.floor(place).astype(int), (place % 1)[:, None]
    rows = padded[low] * (1 - blend[..., None]) + padded[low + 1] * blend[..., None]
    expected = rows[:, low] * (1 - blend) + rows[:, low + 1] * blend
    assert np.abs(picture.rgb - expected)[1:-1, 1:-1].max() < 2e-3
    place = (np.arange(64) + 0.5) / 64
    assert np.abs(picture.uv[..., 0] - place).max() < 1e-4
    assert np.abs(picture.uv[..., 1] - place[:, None]).max() < 1e-4


def test_a_distant_texture_is_averaged_rather_than_aliased():
    checker = np.indices((256, 256)).sum(0) % 2 * np.ones((3, 1, 1))
    material = Material(texture=Texture(colour=checker.transpose(1, 2, 0)), specular=0.0)
    picture = drawn(quad(0.32, 1.0, material=material), samples=1, ambient_rays=0)
    assert np.abs(picture.rgb - 0.5).max() < 1e-3


def test_relief_tilts_the_shading_like_a_real_slope():
    slope = 0.2
    x = (np.arange(64) + 0.5) / 64 * 0.64  # metres across the quad
    relief = np.abs(x - 0.32) * -slope * np.ones((64, 1))  # a roof whose ridge is in the middle
    texture = Texture(colour=np.ones((64, 64, 3)), height=relief)
    light = Light(position=(-40.0, 0.0, 1.0 - 40.0), colour=(3200.0,) * 3, radius=0.0)
    picture = drawn(
        quad(0.32, 1.0, material=Material(texture=texture, specular=0.0)),
        lights=(light,), ambient=DARK, samples=1, ambient_rays=0,
    )  # fmt: skip
    towards = np.array([-1, 0, -1]) / np.sqrt(2)
    for columns, normal in ((slice(8, 24), [-slope, 0, -1]), (slice(40, 56), [slope, 0, -1])):
        expected = np.dot(normal, towards) / np.linalg.norm(normal)
        assert np.abs(picture.rgb[8:56, columns] - expected).max() < 0.02


def shadow_row(radius: float) -> np.ndarray:
    """Shadow along the middle row of a wall at 2 m, half of it hidden from a lamp by a screen beside the view."""
    wall = quad(2.0, 2.0, shadow_catcher=True)
    screen = Mesh(verts=CORNERS * [1.5, 4, 0] + [-2.5, 0, 1], surface=QUAD)
    lamp = Light(position=(-2.0, 0.0, 0.0), radius=radius)
    return drawn(wall, screen, view=camera(128, 128), lights=(lamp,), ambient=DARK, shadow_rays=4).shadow[64]


def test_a_shadow_falls_where_geometry_says():
    # The lamp at x = -2, z = 0 and the edge at x = -1, z = 1 throw the border to x = 0, z = 2: the middle column.
    row = shadow_row(0.0)
    assert (row[:60] == 0).all()
    assert (row[68:] == 1).all()


def test_the_penumbra_grows_with_the_light():
    def width(radius: float) -> int:
        row = shadow_row(radius)
        return int(((row > 0.05) & (row < 0.95)).sum())

    # A ball of radius r, seen past an edge half-way to the wall at 45 degrees, blurs it over 2 r sqrt(2) or so.
    pixels_per_metre = 128 / 2
    for radius in (0.1, 0.2):
        assert width(radius) == pytest.approx(2 * np.sqrt(2) * radius * pixels_per_metre, rel=0.35)
    assert width(0.05) < width(0.1) < width(0.2)


def test_a_body_darkens_the_background_that_it_touches():
    wall, ball = quad(2.0, 1.0, shadow_catcher=True), sphere(0.05, [0, 0, 0.94])
    picture = drawn(wall, ball, view=camera(150, 64))
    distance = np.hypot(*(np.indices((64, 64)) + 0.5 - 32))
    rings = [picture.shadow[(picture.alpha == 0) & (distance < r) & (distance > r - 2)].mean() for r in (10, 12, 14)]
    assert rings[0] < 0.96
    assert rings[0] < rings[1] < rings[2]
    assert picture.shadow[distance > 30].min() == 1


def test_a_shadow_catcher_appears_in_no_label():
    picture = drawn(quad(2.0, 1.0, shadow_catcher=True), sphere(0.05, [0, 0, 0.5], 2), view=camera(150, 64))
    background = picture.instance != 1
    assert background.any()
    assert (picture.instance[background] == -1).all()
    assert (picture.label[background] == -1).all()
    assert np.isinf(picture.depth[background]).all()


def test_edges_are_antialiased_to_their_coverage():
    # A half plane whose border crosses the picture at a slant.
    verts = np.array([[-9, -9, 1], [0.05, -9, 1], [-0.02, 9, 1], [-9, 9, 1]])
    picture = drawn(Mesh(verts=verts, surface=QUAD), samples=4)
    y, x = (np.indices((64 * 16, 64 * 16)) + 0.5) / 16
    border = 32 + 100 * (0.05 + (-0.02 - 0.05) * ((y - 32) / 100 + 9) / 18)
    coverage = (x < border).reshape(64, 16, 64, 16).mean((1, 3))
    assert np.abs(picture.alpha - coverage).max() < 0.08
    assert picture.alpha.mean() == pytest.approx(coverage.mean(), abs=5e-4)


def test_adaptive_antialiasing_changes_nothing_that_one_sees():
    meshes = sphere(0.1, [0, 0, 0.6], 3), quad(0.1, 0.7), sphere(0.03, [0.05, 0.02, 0.45], 2)
    scene = Scene(meshes=meshes, lights=(Light(position=(0.5, -0.5, 0)),))
    fast, full = (render(scene, camera(200, 96), adaptive=adaptive) for adaptive in (True, False))
    assert np.abs(fast.alpha - full.alpha).max() <= 0.25
    assert np.abs(fast.alpha - full.alpha).mean() < 2e-4
    assert np.abs(fast.rgb - full.rgb).mean() < 1e-3
    for name in ("depth", "label", "instance", "uv"):
        assert np.array_equal(getattr(fast, name), getattr(full, name))


def nearest_by_brute_force(rays: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Möller & Trumbore 1997, every ray with every triangle: distance (infinite where none) and triangle."""
    a, ab, ac = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    p = np.cross(rays[:, None], ac)
    determinant = (ab * p).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (-a * p).sum(-1) / determinant
        q = np.cross(-a, ab)
        v = (rays[:, None] * q).sum(-1) / determinant
        t = (ac * q).sum(-1) / determinant
    t[~((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0))] = np.inf
    return t.min(1), t.argmin(1)


@pytest.mark.parametrize("seed", range(3))
def test_random_triangles_are_hit_where_brute_force_says(seed):
    rng = np.random.default_rng(seed)
    verts = rng.normal(size=(120, 3)) * [0.4, 0.4, 0.3] + [0, 0, 2]
    labels = np.arange(40)
    first, second = (Surface(faces=np.arange(60).reshape(20, 3), labels=labels[k : k + 20]) for k in (0, 20))
    view = camera(60, 32)
    picture = drawn(
        Mesh(verts=verts[:60], surface=first), Mesh(verts=verts[60:], surface=second), view=view, ambient_rays=0
    )
    depth, triangle = nearest_by_brute_force(pixel_rays(view).reshape(-1, 3).astype(float), verts.reshape(40, 3, 3))
    found = np.isfinite(depth)
    assert 0.2 < found.mean() < 1
    assert np.allclose(picture.depth.ravel(), depth, atol=1e-4)
    assert np.array_equal(picture.label.ravel(), np.where(found, triangle, -1))
    assert np.array_equal(picture.instance.ravel(), np.where(found, triangle // 20, -1))


def test_the_nearest_mesh_wins_whatever_their_order():
    near, far = quad(0.1, 1.0), quad(0.3, 1.5)
    for meshes, front in (((near, far), 0), ((far, near), 1)):
        picture = drawn(*meshes)
        assert picture.instance[32, 32] == front
        assert picture.depth[32, 32] == pytest.approx(1.0)
        assert picture.instance[32, 32 - 15] == 1 - front


def test_a_vertex_is_drawn_where_the_camera_projects_it():
    view = Camera(K=torch.tensor([[90.0, 0, 41.3], [0, 110, 27.7], [0, 0, 1]]), size=(60, 80))
    rng = np.random.default_rng(1)
    for point in rng.uniform([-0.3, -0.15, 0.9], [0.3, 0.2, 1.1], (10, 3)):
        tiny = np.array([[-1, -1, 0], [0, 1, 0], [1, -1, 0]]) * 0.06 + [0, 0.02, 0] + point
        alpha = drawn(Mesh(verts=tiny, surface=Surface(faces=np.array([[0, 1, 2]]))), view=view, samples=8).alpha
        rows, columns = np.indices(alpha.shape) + 0.5
        seen = np.array([(alpha * columns).sum(), (alpha * rows).sum()]) / alpha.sum()
        expected = view.project(torch.from_numpy(point[None]).float())[0].numpy()
        assert np.abs(seen - expected).max() < 0.1


def bent(verts: np.ndarray) -> np.ndarray:
    return verts + np.stack([0 * verts[:, 0], 3 * verts[:, 0] ** 2, 0 * verts[:, 0]], -1) + [0, 0, 0.6]


def test_a_refitted_tree_draws_the_same_picture_as_a_new_one():
    ball = trimesh.creation.icosphere(3, 0.1)
    kept = Surface(faces=ball.faces, rest=ball.vertices)
    new = Surface(faces=ball.faces)
    lights = (Light(position=(0.5, -0.5, 0)),)
    for stretch in (1.0, 1.3, 0.7):
        verts = bent(ball.vertices * [stretch, 1, 1])
        a, b = (drawn(Mesh(verts=verts, surface=s), lights=lights) for s in (kept, new))
        for name in ("rgb", "alpha", "shadow", "depth", "label", "instance"):
            assert np.allclose(getattr(a, name), getattr(b, name), atol=1e-5)


def test_one_surface_may_appear_twice_in_a_scene():
    ball = trimesh.creation.icosphere(2, 0.05)
    kept = Surface(faces=ball.faces, rest=ball.vertices)
    picture = drawn(*(Mesh(verts=ball.vertices + np.array([x, 0, 0.5]), surface=kept) for x in (-0.08, 0.08)))
    assert set(np.unique(picture.instance)) == {-1, 0, 1}
    assert picture.instance[32, 16] == 0
    assert picture.instance[32, 48] == 1


def test_the_devices_normals_are_those_of_the_plain_function():
    body = trimesh.creation.torus(0.1, 0.03).subdivide()
    surface = Surface(faces=body.faces, rest=body.vertices)
    verts = bent(body.vertices).astype(np.float32)
    expected = vertex_normals(torch.from_numpy(verts), torch.tensor(body.faces)).numpy()
    assert np.allclose(smooth_normals(surface, search_tree(surface, verts, "cpu")).numpy(), expected, atol=1e-5)


def scene() -> Scene:
    meshes = sphere(0.1, [0, 0, 0.6], 3), quad(2.0, 0.8, shadow_catcher=True)
    return Scene(meshes=meshes, lights=(Light(position=(0.5, -0.5, 0), radius=0.2),))


def digest(seed: int) -> bytes:
    picture = render(scene(), camera(100, 48), seed=seed)
    return picture.rgb.tobytes() + picture.shadow.tobytes()


def test_a_seed_names_one_picture():
    drawn(sphere(0.2, [0, 0, 0.6]))  # what was drawn before does not matter
    assert digest(5) == digest(5)
    assert digest(5) != digest(6)


def test_a_worker_process_draws_the_same_picture():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(digest, (5,)) == digest(5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same_picture():
    here, there = (render(scene(), camera(100, 48), device=device) for device in ("cpu", "cuda:0"))
    assert np.abs(here.rgb - there.rgb).mean() < 1e-3
    assert (here.instance == there.instance).mean() > 0.999


def test_what_is_outside_the_picture_leaves_it_empty():
    picture = drawn(
        quad(0.1, 1.0), view=Camera(K=torch.tensor([[99.0, 0, 900], [0, 99, 30], [0, 0, 1]]), size=(60, 60))
    )
    assert (picture.alpha == 0).all()
    assert (picture.shadow == 1).all()


def test_a_picture_goes_over_its_background():
    picture = drawn(quad(0.1, 1.0, material=Material(colour=(0.5, 0, 0), specular=0.0)))
    over = picture.over(np.full((64, 64, 3), 0.25))
    assert np.allclose(over[32, 32], [0.5, 0, 0], atol=1e-3)
    assert np.allclose(over[2, 2], 0.25)


def test_a_panorama_lights_like_its_mean_and_from_the_right_side():
    grey = Ambient.panorama(np.full((16, 32, 3), 0.3))
    assert np.allclose(grey.coefficients[0], 0.3, atol=2e-3)
    assert np.abs(grey.coefficients[1:]).max() < 5e-3
    image = np.zeros((16, 32, 3))
    image[:8] = 1  # the upper half: -y
    above = Ambient.panorama(image)
    assert above.coefficients[2, 0] == pytest.approx(-0.5, abs=0.01)  # irradiance / pi = (1 - y) / 2
    assert above.coefficients[0, 0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Scene(meshes=()), "at least one mesh"),
        (lambda: Scene(meshes=(quad(0.1, -1.0),)), "in front of the camera"),
        (lambda: Mesh(verts=CORNERS * np.nan, surface=QUAD), "finite"),
        (lambda: Mesh(verts=CORNERS[:3], surface=QUAD), "vertex 3"),
        (lambda: Mesh(verts=CORNERS[:, :2], surface=QUAD), r"\[n 3\]"),
        (lambda: Surface(faces=np.array([[0, 1, -1]])), "at least 0"),
        (lambda: Surface(faces=np.zeros((0, 3))), "at least one face"),
        (lambda: Surface(faces=QUAD.faces, labels=np.zeros(3)), "part labels"),
        (lambda: Surface(faces=QUAD.faces, uv=np.zeros((2, 2))), "uv_faces"),
        (lambda: Surface(faces=QUAD.faces, rest=CORNERS[:3]), "below 3"),
        (lambda: Texture(colour=np.zeros((4, 4))), "colour"),
        (lambda: Texture(colour=np.zeros((4, 4, 3)), height=np.zeros((4, 5))), "height"),
        (
            lambda: Mesh(
                verts=CORNERS,
                surface=Surface(faces=QUAD.faces),
                material=Material(texture=Texture(colour=np.ones((2, 2, 3)))),
            ),
            "no uv",
        ),
        (lambda: Scene(meshes=(quad(0.1, 1.0),), lights=(Light(position=(0, 0, 0)),) * 5), "at most 4"),
        (lambda: Light(position=(0, 0, float("nan"))), "finite"),
        (lambda: Light(position=(0, 0, 0), radius=-1.0), "radius"),
        (lambda: drawn(quad(0.1, 1.0), view=Camera(K=torch.zeros(3, 3), size=(8, 8))), "invertible"),
        (lambda: drawn(quad(0.1, 1.0), samples=0), "at least 1 sample"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(build, message):
    with pytest.raises(ValueError, match=message):
        build()
