"""Derivatives on the rotation group."""

import pytest
import roma
import torch

from ownhand.geometry.rotations import hat, inverse_right_jacobian


def test_hat_is_the_cross_product():
    a, b = torch.randn(2, 5, 3)
    torch.testing.assert_close((hat(a) @ b[..., None])[..., 0], torch.linalg.cross(a, b))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.0999, 0.1001, 1.0, 3.0])
def test_inverse_right_jacobian_is_the_derivative_of_the_logarithm(angle):
    v = torch.nn.functional.normalize(torch.randn(4, 3, dtype=torch.float64), dim=-1) * angle

    def log(d):
        return roma.rotmat_to_rotvec(roma.rotvec_to_rotmat(v) @ roma.rotvec_to_rotmat(d))

    step = 1e-6 * torch.eye(3, dtype=torch.float64)[:, None].expand(3, 4, 3)
    numeric = torch.stack([(log(d) - log(-d)) / 2e-6 for d in step], -1)
    torch.testing.assert_close(inverse_right_jacobian(v), numeric, atol=1e-8, rtol=1e-7)


def test_inverse_right_jacobian_is_accurate_in_float32():
    v = torch.randn(1000, 3, dtype=torch.float64)
    torch.testing.assert_close(inverse_right_jacobian(v.float()).double(), inverse_right_jacobian(v), atol=1e-5, rtol=0)
