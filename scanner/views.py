"""Which view of a setting a control judges: as it is in force (effective), as the next start takes it (configured).

`given: {view: …}` of a control decides; without it every term that the control names is judged. A check that asks the
running system shows what is in force. One whose facts are read anew at each use (PAM, sudoers, shadow) shows both. Any
other one shows what is written down. A check that takes `view` itself, as those of sshd do, resolves it by itself.
"""

from __future__ import annotations

from dataclasses import replace

from . import checking
from .catalogue import Catalogue
from .errors import UsageError
from .model import Check, Control, Term

VIEWS = {
    "effective": frozenset({"effective"}),
    "configured": frozenset({"configured"}),
    "both": frozenset({"effective", "configured"}),
}


def shown(check: Check) -> frozenset[str]:
    """The views that a check can show."""
    if "view" in checking.accepts(check) or all(fact.at_use for fact in check.facts):
        return VIEWS["both"]
    return VIEWS["effective" if any(fact.probe.running for fact in check.facts) else "configured"]


def narrowed(control: Control, catalogue: Catalogue) -> Control:
    """The control with the terms that its view asks for; itself where it names none. Raises UsageError."""
    view = control.given.get("view")
    if view is None or control.manual:
        return control
    if view not in VIEWS:
        raise UsageError(f"there is no view {view!r}; known: {', '.join(VIEWS)}")
    kept = tuple(term for term in control.terms if shown(catalogue.check(term.check)) & VIEWS[view])
    seen = frozenset[str]().union(*(shown(catalogue.check(term.check)) for term in kept))
    missing = VIEWS[view] - seen
    if missing:
        raise UsageError(f"view {view!r}: none of its checks shows what is {' or '.join(sorted(missing))}")
    told = tuple(_told(term, view, catalogue) for term in kept)
    if control.check:
        return replace(control, given=told[0].given)
    return replace(control, all=told if control.all else (), any=told if control.any else ())


def _told(term: Term, view: str, catalogue: Catalogue) -> Term:
    """The term with the view in its `given` where its check takes one, and without it where not."""
    if "view" in checking.accepts(catalogue.check(term.check)):
        return replace(term, given={"view": view, **term.given})
    return replace(term, given={name: value for name, value in term.given.items() if name != "view"})
