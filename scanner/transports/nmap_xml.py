"""nmap's XML read as it comes in, host by host: what the scanned network wrote into it is hostile text.

Nothing but the elements of the current host is held in memory. A declared entity, deep nesting or a broken document
ends the reading with Unparsable; an end that is missing is seen by `Reader.close`. Source: nmap.dtd of nmap 7.93.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from scanner.addresses import Ports, merged
from scanner.errors import Unparsable

DEEPEST = 48
"""Levels of elements; nmap's own scripts stay below 12."""


@dataclass(frozen=True, slots=True)
class Script:
    """What one nmap script said. structured: mappings, lists and texts where it has such; output: for people."""

    name: str
    output: str
    structured: Any = None

    @property
    def error(self) -> str:
        """'\\n  ERROR: Authentication required' -> 'ERROR: Authentication required'; "" where the script succeeded."""
        text = self.output.strip()
        return text if self.structured is None and text.startswith("ERROR") else ""


@dataclass(frozen=True, slots=True)
class Port:
    """One port as nmap lists it. method: "probed" where its answer named the service, "table" where it is a guess.

    extra: what nmap adds about the service, such as "protocol 2.0".
    """

    number: int
    protocol: str
    state: str
    service: str = ""
    product: str = ""
    version: str = ""
    tunnel: str = ""
    method: str = ""
    extra: str = ""
    scripts: tuple[Script, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """One host. rest: (state, protocol) -> the ports that nmap summed up instead of listing them.

    name: as the command line gave it, "" where an address was given. timed_out: given up; its ports are not known.
    own: it is the machine that looks.
    """

    address: str
    name: str
    up: bool
    timed_out: bool
    ports: tuple[Port, ...]
    rest: Mapping[tuple[str, str], Ports]
    scripts: tuple[Script, ...] = ()
    own: bool = False

    def state(self, number: int, protocol: str) -> str:
        """The state of one port: "open", "closed", "filtered" …; "" where it was not looked at."""
        for port in self.ports:
            if (port.number, port.protocol) == (number, protocol):
                return port.state
        return next((s for (s, p), ports in self.rest.items() if p == protocol and (number, p) in ports), "")


@dataclass(slots=True)
class Reader:
    """Feed it bytes; finished hosts appear in `hosts`. looked_at: protocol -> the ports of the scan."""

    hosts: list[Host] = field(default_factory=list)
    looked_at: dict[str, Ports] = field(default_factory=dict)
    exit: str = ""
    error: str = ""
    _parser: Any = None
    _builder: TreeBuilder | None = None
    _depth: int = 0

    def __post_init__(self) -> None:
        self._parser = ParserCreate()
        self._parser.buffer_text = True
        self._parser.EntityDeclHandler = _refuse_entity
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises Unparsable where they cannot be nmap's."""
        self._parse(chunk, False)

    def close(self) -> None:
        """Say that nothing more comes. Raises Unparsable where the document has no proper end."""
        self._parse(b"", True)
        if not self.exit:
            raise Unparsable("nmap's output ends without its closing statement")

    def _parse(self, chunk: bytes, last: bool) -> None:
        try:
            self._parser.Parse(chunk, last)
        except ExpatError as error:
            raise Unparsable(f"nmap's output is not well-formed XML: {error}") from None
        except (ValueError, LookupError) as error:
            raise Unparsable(f"nmap's output has a value that nmap does not write: {str(error)[:120]}") from None

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unparsable("nmap's output is nested too deep")
        if self._depth == 1 and tag != "nmaprun":
            raise Unparsable(f"nmap's output begins with <{tag[:40]}>")
        if tag == "host" and self._depth == 2:
            self._builder = TreeBuilder()
        if self._builder:
            self._builder.start(tag, attributes)
        elif tag == "scaninfo":
            self.looked_at[attributes["protocol"]] = _ports(attributes["protocol"], attributes["services"])
        elif tag == "finished":
            self.exit, self.error = attributes["exit"], attributes.get("errormsg", "")

    def _text(self, text: str) -> None:
        if self._builder:
            self._builder.data(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._builder:
            element = self._builder.end(tag)
            if self._depth == 1:
                self.hosts.append(_host(element))
                self._builder = None


def _refuse_entity(*_: object) -> None:
    raise Unparsable("nmap's output declares an entity, which nmap never does")


def _ports(protocol: str, services: str) -> Ports:
    """('tcp', '21-23,80') -> Ports(tcp=((21, 23), (80, 80)))."""
    ranges = []
    for part in services.split(",") if services else []:
        low, _, high = part.partition("-")
        ranges.append((int(low), int(high or low)))
    return Ports(udp=merged(ranges)) if protocol == "udp" else Ports(tcp=merged(ranges))


def _host(element: Element) -> Host:
    addresses = [a.get("addr", "") for a in element.iterfind("address") if a.get("addrtype") in {"ipv4", "ipv6"}]
    status = element.find("status")
    if not addresses or status is None:
        raise ValueError("a host without address or status")
    names = (n.get("name", "") for n in element.iterfind("hostnames/hostname") if n.get("type") == "user")
    return Host(
        address=str(ip_address(addresses[0])),
        name=next(names, ""),
        up=status.get("state") == "up",
        timed_out=element.get("timedout") == "true",
        ports=tuple(_port(port) for port in element.iterfind("ports/port")),
        rest=dict(_rest(element)),
        scripts=_scripts(element.iterfind("hostscript/script")),
    )


def _rest(element: Element) -> list[tuple[tuple[str, str], Ports]]:
    """<extraports state="closed"><extrareasons proto="tcp" ports="1-9"/> -> (("closed", "tcp"), those ports)."""
    found: dict[tuple[str, str], Ports] = {}
    for extra in element.iterfind("ports/extraports"):
        for reasons in extra.iterfind("extrareasons"):
            protocol = reasons.attrib["proto"]
            more, key = _ports(protocol, reasons.attrib["ports"]), (extra.attrib["state"], protocol)
            known = found.get(key, Ports())
            found[key] = Ports(tcp=merged((*known.tcp, *more.tcp)), udp=merged((*known.udp, *more.udp)))
    return list(found.items())


def _port(element: Element) -> Port:
    state, service = element.find("state"), element.find("service")
    if state is None:
        raise ValueError("a port without state")
    named = service.attrib if service is not None else {}
    return Port(
        number=int(element.attrib["portid"]),
        protocol=element.attrib["protocol"],
        state=state.attrib["state"],
        service=named.get("name", ""),
        product=named.get("product", ""),
        version=named.get("version", ""),
        tunnel=named.get("tunnel", ""),
        method=named.get("method", ""),
        extra=named.get("extrainfo", ""),
        scripts=_scripts(element.iterfind("script")),
    )


def _scripts(elements: Any) -> tuple[Script, ...]:
    return tuple(Script(e.attrib["id"], e.get("output", ""), _structured(e) if len(e) else None) for e in elements)


def _structured(element: Element) -> Any:
    """Keyed children -> mapping, others -> list; where both occur, the list stands under the key ""."""
    keyed: dict[str, Any] = {}
    listed: list[Any] = []
    for child in element:
        value = _structured(child) if child.tag == "table" else child.text or ""
        key = child.get("key")
        if key is None:
            listed.append(value)
        else:
            keyed[key] = value
    if keyed and listed:
        return {**keyed, "": listed}
    return keyed or listed
