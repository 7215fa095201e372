"""What one does standing: be idle, wave, talk."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.puppet import Act
from vivant.animate.stance import Frame, between, relaxed, smooth, swayed, vector


def idle(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Breathe, shift the weight from leg to leg, look about a little."""
    sway = torch.sin(math.tau * phase)
    breaths = max(round(seconds / 3.2), 1)
    breath = 0.5 - 0.5 * torch.cos(math.tau * breaths * phase)
    look = torch.sin(math.tau * phase + 0.8) + 0.4 * torch.sin(math.tau * 2 * phase + 0.3)
    act = relaxed(frame, len(phase))
    # The hip over the standing leg is higher, the chest leans back over it.
    shift = vector(0.028 * sway, -0.006 * sway.square(), 0.004 * torch.cos(math.tau * phase)) * frame.scale
    turn = vector(0 * sway, 0.03 * sway, 0.035 * sway)
    spine = act.spine + vector(-0.022 * breath, -0.02 * sway, -0.05 * sway)
    return replace(
        act,
        hips=act.hips + shift,
        hips_turn=turn,
        spine=spine,
        head=act.head + vector(0.015 * breath, 0.11 * look, 0.012 * look),
        left_arm=swayed(act.left_arm, sway, breath),
        right_arm=swayed(act.right_arm, sway, breath),
    )


def wave(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Lift the right hand, wave three times, let it sink."""
    act = idle(frame, phase, seconds)
    up = smooth(phase / 0.24) * (1 - smooth((phase - 0.78) / 0.22))
    waving = smooth((phase - 0.14) / 0.12) * (1 - smooth((phase - 0.76) / 0.1))
    swing = waving * torch.sin(math.tau * 3.5 * (phase - 0.2) / 0.6)
    raised_upper = vector(-0.80 + 0 * up, -0.30 + 0.03 * swing, 0.36 + 0 * up)
    raised_lower = vector(-0.10 - 0.34 * swing, 1.0 + 0 * up, 0.30 + 0 * up)
    # On the way the elbow leads and the hand follows close to the body, as an arm is lifted.
    late = smooth((up - 0.12) / 0.88)
    arm = act.right_arm
    upper = between(arm.upper, raised_upper, up)
    lower = between(arm.lower, raised_lower, late, past=torch.tensor([-0.35, -0.2, 0.95]))
    right = replace(
        arm,
        upper=upper,
        lower=lower,
        shrug=arm.shrug + 0.20 * up,
        pronation=arm.pronation + 0.6 * late,
        wrist=-0.18 * swing,
        curl=arm.curl * (1 - 0.9 * up),
    )
    return replace(
        act,
        right_arm=right,
        spine=act.spine + vector(0 * up, -0.05 * up, 0.06 * up),
        head=act.head * (1 - up)[:, None] + vector(0.02 * up, 0 * up, -0.07 * up),
    )


def talk(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Stand at ease and speak, with nods and a hand that goes along."""
    act = idle(frame, phase, seconds)
    phrases = max(1, round(seconds / 3.0))
    within = (phrases * phase) % 1.0
    goes = smooth(within / 0.15) * (1 - smooth((within - 0.5) / 0.2))
    beat = torch.sin(math.tau * 3 * within) * goes
    still = 0 * goes
    upper = between(act.right_arm.upper, vector(-0.35 + still, -0.85 + still, 0.30 + 0.05 * beat), goes)
    shown = vector(0.05 - 0.25 * beat, 0.25 + 0.15 * beat, 0.95 + still)
    lower = between(act.right_arm.lower, shown, goes, past=torch.tensor([-0.2, -0.5, 0.85]))
    right = replace(act.right_arm, upper=upper, lower=lower, pronation=act.right_arm.pronation - 0.8 * goes)
    nod = vector(0.05 * beat, 0.04 * beat, 0.03 * goes)
    return replace(act, right_arm=right, head=act.head + nod)
