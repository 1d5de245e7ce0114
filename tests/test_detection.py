"""Finding hands: what is asked for is learnt, and what is found is judged by the labels."""

import math

import pytest
import torch

from ownhand.data.augment import Augmentation, augment, draw
from ownhand.data.frame import HandFrame
from ownhand.detection import DETECTION, detection_loss, judge, square_overlap
from ownhand.estimators.build import WeightsError, build, load, save
from ownhand.estimators.detector import FoundHands, HandDetector, HandMaps, found_hands
from ownhand.hand.skeleton import KNUCKLES, upright_angle
from ownhand.locate import MARGIN, HandFinder, _distinct

SIZE, CELLS = 128, 16


def frame(hands: list[tuple[float, float, float, float, bool]], seen: int = 21) -> HandFrame:
    """Hands by middle, side [px], upright angle and whether they are right ones; four places."""
    points, n = torch.zeros(4, 21, 2), len(hands)
    for k, (x, y, side, angle, _) in enumerate(hands):
        corners = torch.tensor([[-0.5, -0.5], [0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]]) * side
        points[k] = torch.tensor([x, y]) + corners[torch.arange(21) % 4]
        up = torch.tensor([math.cos(-math.pi / 2 - angle), math.sin(-math.pi / 2 - angle)])
        points[k, 0] = torch.tensor([x, y]) - 0.2 * side * up
        across = torch.stack([-up[1], up[0]])
        for place, knuckle in enumerate(KNUCKLES):  # clockwise around the wrist
            points[k, knuckle] = torch.tensor([x, y]) + side * (0.2 * up + 0.1 * (place - 1.5) * across)
    visible = torch.zeros(4, 21, dtype=torch.bool)
    visible[:n, :seen] = True
    return HandFrame(
        image=torch.rand(3, SIZE, SIZE),
        present=torch.arange(4) < n,
        keypoints=points,
        visible=visible,
        is_right=torch.tensor([h[4] for h in hands] + [False] * (4 - n)),
        complete=torch.tensor(True),
    )


def batch(one: HandFrame) -> HandFrame:
    return HandFrame(**{name: value[None] for name, value in vars(one).items()})


TWO = [(40.0, 44.0, 48.0, 0.6, True), (100.0, 90.0, 30.0, -2.0, False)]


def free_maps() -> HandMaps:
    return HandMaps(
        logits=torch.full((1, CELLS, CELLS), -3.0).requires_grad_(),
        offset=torch.zeros(1, 2, CELLS, CELLS).requires_grad_(),
        log_side=torch.zeros(1, CELLS, CELLS).requires_grad_(),
        up=torch.full((1, 2, CELLS, CELLS), 0.1).requires_grad_(),
    )


def learnt(truth: HandFrame, steps: int = 300) -> HandMaps:
    maps = free_maps()
    optimizer = torch.optim.Adam(list(vars(maps).values()), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        detection_loss(maps, batch(truth))["total"].sum().backward()
        optimizer.step()
    return maps.detach()


def test_maps_that_the_loss_taught_say_where_the_hands_are():
    truth = frame(TWO)
    found = found_hands(learnt(truth), (SIZE, SIZE), 5)[0]
    assert (found.score[:2] > 0.8).all()
    assert (found.score[2:] < 0.3).all()
    for x, y, side, angle, _ in TWO:
        k = int((found.centre - torch.tensor([x, y])).norm(dim=-1).argmin())
        assert k < 2
        assert (found.centre[k] - torch.tensor([x, y])).norm() < 0.5
        assert float(found.side[k]) == pytest.approx(side, rel=0.02)
        assert float(found.angle[k]) == pytest.approx(angle, abs=0.02)


def test_a_hand_that_is_hardly_seen_is_neither_asked_for_nor_wrong_to_find():
    hidden = frame(TWO[:1], seen=3)
    maps = free_maps()
    detection_loss(maps, batch(hidden))["total"].sum().backward()
    grad = maps.logits.grad
    assert grad[0, 5, 5] == 0
    assert grad[0, 14, 14] != 0
    judged = judge([(found_of(TWO[:1]), hidden)])
    assert len(judged.score) == len(judged.asked) == 0


def test_a_frame_without_hands_teaches_that_there_are_none():
    terms = detection_loss(free_maps().detach(), batch(frame([])))
    assert terms.keys() == {*DETECTION, "total"}
    assert float(terms["centres"]) > 0
    assert all(float(terms[name]) == 0 for name in ("offset", "side", "up"))


def found_of(hands: list[tuple[float, float, float, float, bool]], score: float = 0.9) -> FoundHands:
    x = torch.tensor([h[:4] for h in hands]).reshape(-1, 4)
    return FoundHands(
        score=torch.full((len(hands),), score),
        centre=x[:, :2],
        side=x[:, 2],
        angle=x[:, 3],
    )


def test_where_hands_may_lack_labels_nothing_is_said_of_what_lies_outside_the_labelled_ones():
    crop = HandFrame(**vars(batch(frame(TWO[:1]))) | {"complete": torch.tensor([False])})
    maps = free_maps()
    detection_loss(maps, crop)["total"].sum().backward()
    assert maps.logits.grad is not None
    taught = maps.logits.grad[0] != 0
    middles = (torch.arange(CELLS) + 0.5) * SIZE / CELLS
    x, y, side = TWO[0][:3]
    inside = ((middles - y).abs() < side / 2)[:, None] & ((middles - x).abs() < side / 2)
    assert torch.equal(taught, inside)


def test_hands_found_where_they_are_are_all_right():
    judged = judge([(found_of(TWO), frame(TWO)), (found_of([]), frame([]))])
    assert judged.frames == 2
    assert judged.recall(0.5) == 1
    assert judged.angle_deg(0.5) < 0.01
    assert judged.angle_error.max() < 1e-4
    assert judged.threshold(0.1) == 0


def test_false_alarms_set_the_threshold_and_cost_recall():
    nowhere = [(20.0, 110.0, 25.0, 0.0, True)]
    pairs = [(found_of(TWO, 0.6), frame(TWO))] * 10 + [(found_of(nowhere, 0.7), frame([]))] * 2
    judged = judge(pairs)
    assert judged.threshold(0.1) == pytest.approx(0.7)
    assert judged.recall(judged.threshold(0.1)) == 0
    assert judged.threshold(0.2) == 0
    assert judged.recall(0.5, smallest=40) == 1


def test_a_second_find_of_the_same_hand_is_a_false_alarm():
    judged = judge([(found_of([TWO[0], TWO[0]]), frame(TWO[:1]))])
    assert judged.correct.sum() == 1
    assert (~judged.correct).sum() == 1


def test_overlap_of_squares_by_hand():
    overlap = square_overlap(
        torch.tensor([0.0, 0.0]), torch.tensor(2.0), torch.tensor([[0.0, 0], [1, 0], [5, 5]]), torch.tensor([2.0, 2, 2])
    )
    torch.testing.assert_close(overlap, torch.tensor([1, 1 / 3, 0]))


def test_the_same_hand_at_two_sizes_is_found_once_and_a_finger_is_no_hand():
    hands = found_of([TWO[0], (41.0, 44.0, 50.0, 0.6, True), (30.0, 30.0, 12.0, 0.0, False), TWO[1]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    kept = _distinct(FoundHands(**vars(hands) | {"score": scores}), 0.5)
    assert kept == [0, 3]
    assert _distinct(FoundHands(**vars(hands) | {"score": scores}), 0.65) == [0]


def test_mirrored_frames_have_their_sides_exchanged_and_parts_of_frames_their_own_pixels():
    one = batch(frame(TWO))
    image = torch.zeros(1, 3, SIZE, SIZE)
    for x, y, *_ in TWO:
        image[0, :, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 1
    one = HandFrame(**vars(one) | {"image": image})
    mirrored = augment(one, Augmentation(mirror=1.0), draw(0, [0], [0]))
    assert mirrored.is_right[0, :2].tolist() == [False, True]
    torch.testing.assert_close(mirrored.keypoints[..., :2, :, 0], SIZE - one.keypoints[..., :2, :, 0])
    torch.testing.assert_close(mirrored.image, image.flip(-1))
    for seed in range(8):
        part = augment(one, Augmentation(size=96, angle_deg=40.0, scale=(0.7, 2.5), mirror=0.5), draw(seed, [0], [0]))
        centre = (part.keypoints.amin(-2) + part.keypoints.amax(-2))[0] / 2
        turned = upright_angle(part.keypoints)[0]
        for k in range(2):
            x, y = centre[k].tolist()
            if part.present[0, k] and 4 < x < 92 and 4 < y < 92 and float(turned[k]) == float(turned[k]):
                middle = part.keypoints[0, k]
                x, y = ((middle[0] + middle[list(KNUCKLES)].mean(0)) / 2).tolist()
                assert part.image[0, 0, int(y), int(x)] > 0.3


CONFIG = {"kind": "detector", "backbone": "resnet-tiny", "width": 16}


def test_a_detector_overfits_two_frames_is_saved_and_finds_their_hands(tmp_path):
    torch.manual_seed(0)
    truths = [frame(TWO), frame([])]
    for truth in truths:
        truth.image[:] = 0.2 * truth.image
        for k in truth.present.nonzero()[:, 0].tolist():
            (x, y), half = truth.boxes[0][k].long().tolist(), int(truth.boxes[1][k]) // 2
            truth.image[0 if truth.is_right[k] else 2, y - half : y + half, x - half : x + half] += 0.7
    both = HandFrame(**{name: torch.stack([getattr(t, name) for t in truths]) for name in vars(truths[0])})
    network = build(CONFIG).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(200):
        optimizer.zero_grad()
        detection_loss(network(both.image), both)["total"].mean().backward()
        optimizer.step()
    save(network, tmp_path / "detector", {"min_score": 0.4})
    again = load(tmp_path / "detector")
    finder = HandFinder.load(tmp_path)
    finder.sides = (SIZE,)
    torch.testing.assert_close(again(both.image).logits, network.eval()(both.image).logits)
    boxes = finder(truths[0].image)
    assert len(boxes) == 2
    for x, y, side, angle, _ in TWO:
        box = min(boxes, key=lambda box: math.dist(box.centre, (x, y)))
        assert math.dist(box.centre, (x, y)) < 4
        assert box.side == pytest.approx(MARGIN * side, rel=0.25)
        assert box.angle == pytest.approx(angle, abs=0.4)
    assert finder(truths[1].image) == []


@pytest.mark.parametrize("size", [(90, 160), (64, 64), (700, 300)])
def test_pictures_of_any_size_can_be_looked_at(size):
    finder = HandFinder(build(CONFIG), min_score=0.0)
    found = finder.look(torch.rand(3, *size))
    assert found.centre.isfinite().all()
    assert (found.score[:-1] >= found.score[1:]).all()


def test_weights_that_were_not_trained_to_their_end_are_refused(tmp_path):
    save(build(CONFIG), tmp_path / "detector")
    with pytest.raises(WeightsError, match="not a detector that"):
        HandFinder.load(tmp_path)


@pytest.mark.parametrize(("side", "scores"), [(100.0, [0.8, 0.72]), (300.0, [0.8])])
def test_closer_looks_are_for_small_hands_and_trusted_less(side, scores):
    """A network that sees a hand of 40 px at 128 px, and elsewhere another one at 512 px."""

    class Seer(HandDetector):
        def find(self, image, count):
            x, px = (90.0, 40.0) if image.shape[-1] == 128 else (100.0, side / 2)
            one = torch.zeros(1, 1)
            return FoundHands(score=one + 0.8, centre=torch.full((1, 1, 2), x), side=one + px, angle=one)

    found = HandFinder(Seer(), min_score=0.5, sides=(128, 512)).look(torch.rand(3, 1024, 1024))
    torch.testing.assert_close(found.score, torch.tensor(scores))
    assert found.side.tolist() == [320.0, side][: len(scores)]
