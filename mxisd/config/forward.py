"""``forward``: identity servers to ask about what is known nowhere else."""

from __future__ import annotations

from .section import Section


class Forward(Section):
    """Labels of ``matrix.identity.servers``."""

    servers: tuple[str, ...] = ()
