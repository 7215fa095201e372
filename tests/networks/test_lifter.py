import dataclasses

import torch
from tests.networks.figures import SMALL, lifter_input, spoken

from vivant.core.rotations import matrices_from_quats
from vivant.networks import LiftedSplats, Lifter, LifterConfig, count_parameters
from vivant.networks.lifter import CORRECTION, REACH


def made(seed: int = 0) -> Lifter:
    torch.manual_seed(seed)
    return Lifter(SMALL)


@torch.no_grad()
def lifted(network: torch.nn.Module, told: object) -> LiftedSplats:
    return network(told)


def test_the_full_size_fits_the_budget() -> None:
    with torch.device("meta"):
        assert 5e6 < count_parameters(Lifter(LifterConfig())) < 6.5e6


def test_a_new_lifter_lays_flat_splats_on_the_skin_in_the_photos_colours() -> None:
    told = lifter_input()
    splats = lifted(made().eval(), told)
    torch.testing.assert_close(splats.means, told.rest.flatten(1, 2))
    thin = matrices_from_quats(splats.quats)[..., 2]
    torch.testing.assert_close(thin, told.frames.flatten(1, 2)[..., 2], atol=1e-4, rtol=0)
    assert bool((splats.log_scales[..., 2] < splats.log_scales[..., 0]).all())
    unseen = told.visible.flatten(1) == 0
    torch.testing.assert_close(splats.colors[unseen], told.guess.flatten(1, 2)[unseen].clamp(0.02, 0.98))
    assert float(splats.trust[unseen].max()) < float(splats.trust[~unseen].min())


def test_anchors_may_come_in_any_order() -> None:
    told, network = lifter_input(), spoken(made())
    order = torch.randperm(SMALL.anchors, generator=torch.Generator().manual_seed(1))
    names = ("rest", "frames", "places", "head_places", "visible", "guess")
    turned = dataclasses.replace(told, **{name: getattr(told, name)[:, order] for name in names})
    one, other = lifted(network, told), lifted(network, turned)
    for field in dataclasses.fields(LiftedSplats):
        value = getattr(one, field.name).unflatten(1, (SMALL.anchors, -1))[:, order].flatten(1, 2)
        torch.testing.assert_close(getattr(other, field.name), value, atol=1e-4, rtol=1e-4)


def test_people_do_not_see_each_other() -> None:
    both, network = lifter_input(2), spoken(made())
    alone = {f.name: getattr(both, f.name)[1:] for f in dataclasses.fields(both)}
    second = lifted(network, dataclasses.replace(both, **alone))
    torch.testing.assert_close(second.colors, lifted(network, both).colors[1:], atol=1e-4, rtol=1e-4)


def test_evidence_is_not_washed_out() -> None:
    told = lifter_input()
    network = spoken(made())
    with torch.no_grad():
        for parameter in network.decode.parameters():
            parameter.mul_(30)
    splats = lifted(network, told)
    plain = lifted(made().eval(), told)
    seen = told.visible.flatten(1) == 1
    assert float((splats.colors - plain.colors)[seen].abs().max()) <= CORRECTION + 1e-5
    assert float((splats.colors - plain.colors)[~seen].abs().max()) > 2 * CORRECTION
    assert float(splats.offsets.abs().max()) <= REACH + 1e-6


def test_photo_head_and_body_all_speak() -> None:
    told, network = lifter_input(), spoken(made())
    before = lifted(network, told).log_scales
    other = lifter_input(seed=3)
    for name in ("photo", "head"):
        changed = dataclasses.replace(told, **{name: getattr(other, name)})
        assert float((lifted(network, changed).log_scales - before).abs().max()) > 1e-4, name
    taller = dataclasses.replace(told, rest=told.rest * 1.1)
    assert float((lifted(network, taller).log_scales - before).abs().max()) > 1e-4
