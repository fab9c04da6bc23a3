r"""The spectral parametrization of a fully connected layer.

A layer from I inputs to O outputs is a directed graph on I + O nodes. Its adjacency matrix is written
through eigenvectors and eigenvalues,

.. math::

   A = \Phi \Lambda \Phi^{-1}, \qquad
   \Phi = \begin{pmatrix} 1 & 0 \\ \phi & 1 \end{pmatrix}, \qquad
   \Lambda = \mathrm{diag}(\lambda^{in}, \lambda^{out}), \qquad
   \Phi^{-1} = 2 \cdot 1 - \Phi ,

and the block of A that leads from inputs to outputs is the layer's weight:

.. math::  w_{ij} = (\lambda^{in}_j - \lambda^{out}_i) \, \phi_{ij} .

Source: Giambagli et al., *Machine learning in spectral domain*, Nat. Commun. 12, 1330 (2021), and the
paper reproduced here (arXiv:2310.12612). In the paper's setting :math:`\lambda^{in} = 0` is frozen
and :math:`\lambda^{out}` starts at 1 and is trained, so that :math:`w_{ij} = -\lambda^{out}_i \phi_{ij}`: one
number scales everything that a node receives. A layer whose :math:`\lambda^{out}` is frozen too is an ordinary
("direct") layer with weight :math:`-\phi`.

Axes: E members, B batch, I inputs, O outputs. A leading E stands on every parameter of a layer made with
``members=E``: E independent layers that are evaluated together.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Generator, Tensor, nn

from spectral.checks import check_count, is_member
from spectral.streams import glorot_uniform


class Adjacency(NamedTuple):
    """The layer as a graph on its inputs and outputs, in this order.

    Attributes
    ----------
    matrix, eigenvectors, eigenvalues:
        A, Φ and the diagonal Λ, each (I+O, I+O), with a leading E where the layer has members.
    """

    matrix: Tensor
    eigenvectors: Tensor
    eigenvalues: Tensor


def load_whole(module: nn.Module, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
    """Load a state dict into any module as a whole, or not at all; arguments and answer as of its `load_state_dict`.

    PyTorch goes from part to part and says at the end what did not fit: names that are missing or too many, other
    shapes, what is no tensor. By then the parts that did fit have been overwritten. Here they are as they were: the
    same tensors with the same numbers, also of a module with a `load_state_dict` of its own. That takes a copy of all
    of them for as long as it lasts.

    Raises
    ------
    RuntimeError
        If the state does not fit. The message is PyTorch's, which names all that does not.
    """
    return _whole(module, module.load_state_dict, state, strict, assign)


def _whole(module: nn.Module, load: Callable[..., Any], state: Mapping[str, Any], strict: bool, assign: bool) -> Any:
    restore = [_restorer(part) for part in module.modules()]
    try:
        return load(state, strict=strict, assign=assign)
    except BaseException as error:  # an interrupt, too
        for each in restore:
            each()
        if not isinstance(error, RuntimeError):
            raise
        raise RuntimeError(f"nothing was loaded; build the module with the state's sizes. {error}") from error


def _restorer(part: nn.Module) -> Callable[[], None]:
    """What makes a module, without those inside it, as it is now; its state dict may be of other names and shapes."""
    places: list[dict[str, Any]] = [part._parameters, part._buffers, part._modules]
    held = [dict(place) for place in places]
    numbers = [(own, own.detach().clone()) for own in (held[0] | held[1]).values() if own is not None]
    keeps_more = type(part).get_extra_state is not nn.Module.get_extra_state
    more = copy.deepcopy(part.get_extra_state()) if keeps_more else None

    def restore() -> None:
        for place, before in zip(places, held, strict=True):
            place.clear()
            place.update(before)
        with torch.no_grad():
            for own, values in numbers:
                own.copy_(values)
        if keeps_more:
            part.set_extra_state(more)

    return restore


class CheckedModule(nn.Module):
    """A module that takes a state dict as a whole or not at all, as `load_whole` does.

    So it does where its own `load_state_dict` is called. Inside another module, an `nn.Sequential` say, it is that
    module's which is called, and PyTorch's own way holds: all that does not fit is named, and what does is overwritten.
    Give the outer module to `load_whole`.
    """

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in `torch.nn.Module`; raises RuntimeError if the state does not fit, and has loaded nothing then."""
        return _whole(self, super().load_state_dict, state_dict, strict, assign)


class SpectralLinear(CheckedModule):
    """A linear layer trained in eigenvalues and eigenvectors: ``y = x w^T + bias`` with ``w = (lam_in - lam_out) phi``.

    Parameters
    ----------
    in_features, out_features:
        I and O, each at least 1.
    bias:
        Whether outputs have a bias (the paper's have none). Third, as in `torch.nn.Linear`.
    members:
        None for one layer; E for a batch of E independent layers, with a leading axis E on every parameter.
    train_lam_in, train_lam_out, train_phi:
        What is trained. What is not is a parameter all the same (it is in the state dict), without gradient.
        The defaults are the paper's. ``train_lam_out=False`` makes an ordinary layer of weight ``-phi``.
    generator:
        Source of the initial values; see `reset_parameters`.
    device, dtype:
        As in `torch.nn.Linear`.

    Attributes
    ----------
    phi, lam_in, lam_out, bias:
        Shapes (O, I), (I,), (O,) and (O,), with a leading E where `members` is given. `bias` is None without bias.

    Notes
    -----
    It is differentiable twice, and works under `torch.func.vmap`, autocast and `torch.export`. For `torch.jit.script`
    and `torch.fx.symbolic_trace`, which read code, make it an ordinary layer first: `to_linear`.

    Examples
    --------
    >>> layer = SpectralLinear(3, 2)
    >>> layer(torch.ones(5, 3)).shape
    torch.Size([5, 2])
    >>> SpectralLinear(3, 2, members=4)(torch.ones(5, 3)).shape
    torch.Size([4, 5, 2])
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = False,
        *,
        members: int | None = None,
        train_lam_in: bool = False,
        train_lam_out: bool = True,
        train_phi: bool = True,
        generator: Generator | Sequence[Generator] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        counts = {"in_features": in_features, "out_features": out_features, "members": members}
        for name, value in counts.items():
            if value is not None or name != "members":
                check_count(value, name)
        if not isinstance(bias, bool):
            raise ValueError(f"bias must be True or False, not {bias!r}; members are given by name, as members=3")
        self.in_features, self.out_features, self.members = in_features, out_features, members
        lead = () if members is None else (members,)

        def parameter(*shape: int, train: bool) -> nn.Parameter:
            return nn.Parameter(torch.empty(*lead, *shape, device=device, dtype=dtype), requires_grad=train)

        self.phi = parameter(out_features, in_features, train=train_phi)
        self.lam_in = parameter(in_features, train=train_lam_in)
        self.lam_out = parameter(out_features, train=train_lam_out)
        self.register_parameter("bias", parameter(out_features, train=True) if bias else None)
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: Generator | Sequence[Generator] | None = None) -> None:
        """Set ``lam_in = 0``, ``lam_out = 1``, ``bias = 0`` and draw `phi` Glorot-uniformly (the paper's start).

        `generator` is one CPU generator, or one for each member so that a member's start does not depend on
        its company. Without one, PyTorch's default generator is used, as in `torch.nn.Linear`.

        Raises
        ------
        ValueError
            If the number of generators is not the number of members.
        """
        count = self.members or 1
        if generator is None:
            generator = torch.default_generator
        generators = [generator] * count if isinstance(generator, Generator) else list(generator)
        if len(generators) != count:
            raise ValueError(f"reset_parameters got {len(generators)} generators for {count} members; give one each")
        if not self.phi.is_meta:
            shape = (self.out_features, self.in_features)
            self.phi.copy_(glorot_uniform(shape, generators, self.phi.dtype).view_as(self.phi))
        self.lam_in.zero_()
        self.lam_out.fill_(1)
        if self.bias is not None:
            self.bias.zero_()

    @property
    def weight(self) -> Tensor:
        """The weight ``(lam_in_j - lam_out_i) phi_ij``, shape (O, I) or (E, O, I).

        A new tensor at every access: to write into it, as the functions of `torch.nn.init` do, changes nothing. Write
        into `phi` and `lam_out`, or make the layer from one that has the weight: `from_linear`.
        """
        return self.scale * self.phi

    @property
    def scale(self) -> Tensor:
        """What phi is multiplied with, ``lam_in_j - lam_out_i``, shape (O, I) or (E, O, I).

        The one place where the formula's sign is written.
        """
        return self.lam_in.unsqueeze(-2) - self.lam_out.unsqueeze(-1)

    @torch.no_grad()
    def weight_backward(self, grad: Tensor) -> None:
        """Set the gradients of the trained factors from the weight's, `grad` (..., O, I), by the chain rule.

        Raises ValueError if `grad` has another shape.
        """
        if grad.shape != self.phi.shape:
            raise ValueError(f"grad must have the weight's shape, {tuple(self.phi.shape)}; got {tuple(grad.shape)}")
        if self.lam_out.requires_grad or self.lam_in.requires_grad:
            shared = grad * self.phi
            if self.lam_out.requires_grad:
                self.lam_out.grad = -shared.sum(-1)
            if self.lam_in.requires_grad:
                self.lam_in.grad = shared.sum(-2)
        if self.phi.requires_grad:
            # Into memory laid out as phi is: a fused Adam reads gradient and parameter element by element.
            self.phi.grad = torch.mul(grad, self.scale, out=torch.empty_like(self.phi))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Without members: `x` (..., I) to (..., O). With members: `x` (E, B, I), or (B, I) for all members
        alike, to (E, B, O).

        Raises
        ------
        ValueError
            If the last axis of `x` is not I, or its leading axis is not E.
        """
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"{type(self).__name__} takes inputs of width {self.in_features}; got shape {tuple(x.shape)}"
            )
        if self.members is None:
            return nn.functional.linear(x, self.weight, self.bias)
        if not (x.ndim == 2 or (x.ndim == 3 and x.shape[0] == self.members)):
            raise ValueError(
                f"{type(self).__name__} with {self.members} members takes inputs of shape "
                f"(batch, {self.in_features}) or ({self.members}, batch, {self.in_features}); got {tuple(x.shape)}"
            )
        y = x @ self.weight.mT  # (E, B, I) @ (E, I, O) -> (E, B, O)
        return y if self.bias is None else y + self.bias.to(y.dtype).unsqueeze(-2)  # another type under autocast

    def adjacency(self) -> Adjacency:
        r"""The graph's matrices A, :math:`\Phi`, :math:`\Lambda`; inputs come first, then outputs.

        A is assembled from `weight`, not multiplied out: that :math:`A = \Phi \Lambda \Phi^{-1}` can be checked.
        """
        lam = torch.cat([self.lam_in, self.lam_out], -1).detach()
        eigenvalues = torch.diag_embed(lam)
        matrix = eigenvalues.clone()
        matrix[..., self.in_features :, : self.in_features] = self.weight.detach()
        eigenvectors = torch.diag_embed(torch.ones_like(lam))
        eigenvectors[..., self.in_features :, : self.in_features] = self.phi.detach()
        return Adjacency(matrix, eigenvectors, eigenvalues)

    @classmethod
    def from_linear(cls, linear: nn.Linear, *, train_lam_in: bool = False) -> Self:
        """A spectral layer with exactly the function of `linear`: ``phi = -weight``, ``lam_out = 1``, ``lam_in = 0``.

        The pair (phi, lam_out) of a given weight is not unique (``phi -> c phi``, ``lam_out -> lam_out / c``
        leaves the function alone); this choice is the paper's start and loses no digit.
        """
        layer = cls(
            linear.in_features,
            linear.out_features,
            train_lam_in=train_lam_in,
            bias=linear.bias is not None,
            generator=Generator(),  # what it draws is overwritten; the default generator stays where it is
            device=linear.weight.device,
            dtype=linear.weight.dtype,
        )
        with torch.no_grad():
            layer.phi.copy_(-linear.weight)
            if layer.bias is not None:
                layer.bias.copy_(linear.bias)
        return layer

    @torch.no_grad()
    def to_linear(self, member: int | None = None) -> nn.Linear:
        """An ordinary `torch.nn.Linear` with exactly this layer's function, for deployment and export.

        A layer with members needs to know which `member` is meant.

        Raises
        ------
        ValueError
            If `member` is missing, superfluous or out of range.
        """
        weight: Tensor = self.weight
        bias: Tensor | None = self.bias
        if self.members is None and member is not None:
            raise ValueError(f"this layer has no members; to_linear got member={member}")
        if self.members is not None:
            if not is_member(member, self.members):
                raise ValueError(f"to_linear needs a member from 0 to {self.members - 1}; got {member}")
            weight, bias = weight[member], None if bias is None else bias[member]
        linear: nn.Linear = nn.utils.skip_init(
            nn.Linear,
            self.in_features,
            self.out_features,
            bias=bias is not None,
            device=weight.device,
            dtype=weight.dtype,
        )
        linear.weight.copy_(weight)
        if bias is not None:
            linear.bias.copy_(bias)
        return linear

    def extra_repr(self) -> str:
        """The line that `print(layer)` shows."""
        names = ("phi", "lam_in", "lam_out")
        trained = [name for name in names if getattr(self, name).requires_grad]
        members = "" if self.members is None else f", members={self.members}"
        return (
            f"in_features={self.in_features}, out_features={self.out_features}{members}, "
            f"bias={self.bias is not None}, trained={'+'.join(trained) or 'nothing'}"
        )
