"""Operations on every element by itself: of one tensor, or of several with broadcasting."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from growsearch.graph.call import Call
from growsearch.graph.path import Path
from growsearch.graph.replay import references, replay
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.site import Role
from growsearch.graph.spaces import Space, unify

ACTIVATIONS: tuple[type[nn.Module], ...] = (
    *(nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.LogSigmoid),
    *(nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Softshrink),
    *(nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Threshold),
)


def _slope(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    return values[0] * path.slopes[call.name]


def respond(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    """The call itself, on a copy: activations may work in place."""
    return replay(path.model, call, values[0].clone())


@rule(
    "pointwise",
    linearise=_slope,
    respond=respond,
    scalar=True,
    per_unit=True,
    drawn_as="label",
    modules=(*ACTIVATIONS, _DropoutNd, nn.Identity),
    functions="""
    acos acosh asin asinh atan atanh cauchy conj conj_physical digamma erfinv exponential
    fake_quantize_per_tensor_affine
    fix geometric i0 lgamma log_normal logit mvlgamma polygamma rad2deg random resolve_conj resolve_neg sgn sinc
    arccos arccosh arcsin arcsinh arctan arctanh special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0
    special_bessel_y1 special_digamma special_entr special_erf special_erfc special_erfcx special_erfinv special_exp2
    special_expit special_expm1 special_gammaln special_i0 special_i0e special_i1 special_i1e special_log1p
    special_log_ndtr special_logit special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0
    special_modified_bessel_k1 special_multigammaln special_ndtr special_ndtri special_polygamma special_psi
    special_round special_sinc special_spherical_bessel_j0
    abs alpha_dropout bernoulli bool ceil celu clamp_max clamp_min cos cosh deg2rad dropout dropout1d
    dropout2d dropout3d elu empty_like erf erfc exp exp2 expm1 feature_alpha_dropout feature_dropout fill floor frac
    full_like gelu hardshrink hardsigmoid hardswish hardtanh int isfinite isinf isnan leaky_relu log log10 log1p log2
    logical_not logsigmoid log_sigmoid logit long mish nan_to_num neg normal ones_like positive rand_like randn_like
    reciprocal relu relu6 requires_grad round rrelu rsqrt selu sigmoid sign silu sin sinh softplus softshrink softsign
    sqrt square tan tanh tanhshrink threshold trunc uniform zero zeros_like
    """,
)
def _of_one(step: Step) -> list[Value]:
    return step.output(step.input.axes)


@rule(
    "typed",
    functions="""
    angle bitwise_not byte char coalesce imag invert isneginf isposinf isreal real short signbit to_dense to_sparse
    to_sparse_csr
    """,
)
def _other_type(step: Step) -> list[Value]:
    """Element by element too, with a result of another kind than real numbers."""
    return step.output(step.input.axes)


@rule(
    "pointwise",
    functions="bfloat16 clone contiguous cpu cuda data detach double float half to type type_as",
)
def _same_values(step: Step) -> list[Value]:
    """The result still is the parameter, if the input was one; another tensor gives a type or device only."""
    return step.output(step.input.axes, step.input.slots)


@rule("pointwise", modules=(nn.PReLU,))
def _prelu_module(step: Step) -> list[Value]:
    return _prelu(step, step.input, step.parameter("weight"))


@rule("pointwise", functions="prelu")
def _prelu_function(step: Step) -> list[Value]:
    return _prelu(step, step.tensor_argument(0, "input"), step.tensor_argument(1, "weight"))


def _prelu(step: Step, x: Value, slope: Value | None) -> list[Value]:
    if slope is not None and slope.shape == (1,):
        step.freeze(slope.axes[0], "one slope is shared")
    elif x.rank > 1:
        step.follow(slope, 0, x.axes[1], "free")
    return step.output(x.axes)


@rule("constant", per_unit=True, functions="new_empty new_full new_ones new_tensor new_zeros")
def _new(step: Step) -> list[Value]:
    """The tensor gives type and device only; the size is a number in the model's code."""
    return step.output(step.fixed(step.shapes[0], f"{step.call.target} in the model's code has a fixed size"))


def _sum(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    if call.target != "add" or call.kwargs.get("alpha", 1) != 1:
        raise path.refusal(call)
    return functools.reduce(torch.add, values)


@rule("add", linearise=_sum, scalar=True, per_unit=True, functions="add sub rsub")
def _add(step: Step) -> list[Value]:
    return _broadcast(step, "shift")


def _product(path: Path, call: Call, values: list[Tensor]) -> Tensor:
    if len(references((call.args, call.kwargs))) == 1:
        return replay(path.model, call, values[0])
    factor = path.factor(call)
    if factor is None:
        raise path.refusal(call)
    return values[0] * factor.to(values[0])


@rule("multiply", linearise=_product, scalar=True, per_unit=True, functions="mul div")
def _multiply(step: Step) -> list[Value]:
    if len(step.inputs) == 1:
        return step.output(step.input.axes, step.input.slots)  # times a number, a parameter serves as one
    return _broadcast(step, "scale")


@rule(
    "elementwise",
    per_unit=True,
    functions="""
    arctan2 bitwise_left_shift bitwise_right_shift complex copysign gcd heaviside igamma igammac lcm ldexp logaddexp2
    lshift
    nextafter polar rdiv rshift special_gammainc special_gammaincc special_xlog1py special_xlogy special_zeta xlogy
    addcdiv addcmul atan2 bitwise_and bitwise_or bitwise_xor clamp copy eq float_power floor_divide fmax fmin fmod ge gt
    hypot isclose le lerp logaddexp logical_and logical_or logical_xor lt masked_fill maximum minimum and or xor ne pow
    remainder where
    """,
)
def elementwise(step: Step) -> list[Value]:
    """Several operands of any roles."""
    return _broadcast(step, "free")


@rule("expand", per_unit=True, functions="broadcast_tensors")
def _broadcast_all(step: Step) -> list[Value]:
    """Every result has all operands' axes."""
    axes = _broadcast(step, "free")[0].axes
    return [Value(shape, axes) for shape in step.shapes]


def _broadcast(step: Step, role: Role) -> list[Value]:
    """Axes of equal size go together; an axis of size 1 that meets a larger one cannot grow."""
    shape = step.shapes[0]
    axes: list[Space | None] = [None] * len(shape)
    for value in step.inputs:
        first = len(shape) - value.rank
        for axis, pieces in enumerate(value.axes):
            if value.shape[axis] == 1 and shape[first + axis] != 1:
                step.freeze(pieces, "broadcast")
                continue
            slot = value.slots[axis]
            if slot is not None:
                slot.assign(role)
            joined = axes[first + axis]
            if joined is None:
                axes[first + axis] = pieces
            else:
                unify(joined, pieces)
    filled = zip(axes, step.fixed(shape, "an axis that no operand has"), strict=True)
    return step.output([pieces or missing for pieces, missing in filled])
