import torch
from tests.networks.figures import nerf_scene, spoken

from vivant.core.cameras import Cameras, orbit
from vivant.core.rotations import matrices_from_rotvecs
from vivant.networks import HumanNerf, NerfConfig

SMALL = NerfConfig(side=16, channels=(8, 16), width=32, layers=2, coarse=32, fine=8)


def network() -> HumanNerf:
    torch.manual_seed(0)
    return HumanNerf(SMALL)


def camera(azimuth: float = 0.0) -> Cameras:
    return orbit(torch.tensor([0.0, 0.9, 0.0]), [azimuth], extent=2.0, width=16, height=16)


def test_turning_the_world_changes_nothing() -> None:
    turn = torch.eye(4)
    turn[:3, :3] = matrices_from_rotvecs(torch.tensor([0.3, 2.0, -0.4]))
    turn[:3, 3] = torch.tensor([1.0, -0.5, 2.0])
    net, seen = spoken(network()), camera(40.0)
    with torch.no_grad():
        plain = net(nerf_scene(), seen.cam_from_world, seen.intrinsics)
        turned = net(nerf_scene(turn), seen.cam_from_world @ torch.linalg.inv(turn), seen.intrinsics)
    # Sample depths move by rounding, and a nearest point may become the second nearest.
    assert float((plain.small - turned.small).abs().median()) < 1e-4
    assert float((plain.small - turned.small).abs().mean()) < 2e-3
    assert float(plain.small[:, 3].max()) > 0.5


def test_there_is_nothing_far_from_the_body() -> None:
    seen = camera()
    with torch.no_grad():
        drawn = network()(nerf_scene(), seen.cam_from_world, seen.intrinsics)
    assert drawn.large.shape == (1, 4, 32, 32)
    assert float(drawn.small[:, 3, :, :2].abs().max()) < 1e-4
    assert float(drawn.small[:, 3, 6:10, 7:9].mean()) > 0.8


def test_random_shifts_of_samples_follow_the_generator() -> None:
    seen, net = camera(), network()
    with torch.no_grad():
        made = [
            net(nerf_scene(), seen.cam_from_world, seen.intrinsics, torch.Generator().manual_seed(seed)).small
            for seed in (0, 0, 1)
        ]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_one_colour_can_be_learned() -> None:
    net, seen, scene = network(), camera(), nerf_scene()
    wanted = torch.tensor([0.8, 0.3, 0.1])
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        small = net(scene, seen.cam_from_world, seen.intrinsics).small
        loss = (small[:, :3] - small[:, 3:].detach() * wanted[:, None, None]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]
