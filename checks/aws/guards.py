"""Network firewalls, the web firewall, zones of names and certificates: what stands guard, and for how long."""

from __future__ import annotations

from datetime import datetime

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .rows import Setting, settings
from .users import REPORT, visited_at

FIREWALLS = Fact(
    api(
        "network-firewall",
        "describe_firewall",
        items="Firewall",
        params={"FirewallArn": "FirewallArn"},
        each=api("network-firewall", "list_firewalls", items="Firewalls", identity="FirewallArn"),
    ),
    parse.rows,
)
FIREWALL_POLICIES = Fact(
    api(
        "network-firewall",
        "describe_firewall_policy",
        items="FirewallPolicy",
        params={"FirewallPolicyArn": "Arn"},
        each=api("network-firewall", "list_firewall_policies", items="FirewallPolicies", identity="Arn"),
    ),
    parse.rows,
)
_WEB_ACLS = api("wafv2", "list_web_acls", items="WebACLs", params={"Scope": "REGIONAL"}, identity="ARN")
WEB_ACLS = Fact(
    api(
        "wafv2",
        "get_web_acl",
        items="WebACL",
        params={"Name": "Name", "Id": "Id", "Scope": "'REGIONAL'"},
        each=_WEB_ACLS,
    ),
    parse.rows,
)
WEB_ACL_LOGS = Fact(
    api(
        "wafv2",
        "get_logging_configuration",
        items="LoggingConfiguration",
        params={"ResourceArn": "ARN"},
        absent=("WAFNonexistentItemException",),
        each=_WEB_ACLS,
    ),
    parse.rows,
)
ZONES = Fact(
    api(
        "route53",
        "list_hosted_zones",
        items="HostedZones[?Config.PrivateZone==`false`]",
        everywhere=False,
        identity="join('', ['arn:', _partition, ':route53:::', Id])",
    ),
    parse.rows,
)
ZONE_LOGS = Fact(
    api("route53", "list_query_logging_configs", items="QueryLoggingConfigs", everywhere=False), parse.rows
)
CERTIFICATES = Fact(
    api(
        "acm",
        "list_certificates",
        items="CertificateSummaryList",
        params={"Includes": {"keyTypes": ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1",
                                          "EC_secp384r1", "EC_secp521r1"]}},
        identity="CertificateArn",
    ),
    parse.rows,
)  # fmt: skip


@check("aws.guards.firewall", FIREWALLS)
def firewall(rows: list[Row], key: str) -> Setting:
    """Per network firewall: DeleteProtection, SubnetChangeProtection."""
    return settings(rows, key)


@check("aws.guards.firewall_groups", FIREWALL_POLICIES)
def firewall_groups(rows: list[Row]) -> dict[str, int]:
    """Per policy of a network firewall: how many groups of rules it has."""
    kinds = ("StatelessRuleGroupReferences", "StatefulRuleGroupReferences")
    return {row.subject: sum(len(row.fields.get(kind) or []) for kind in kinds) for row in rows}


@check("aws.guards.firewall_default", FIREWALL_POLICIES)
def firewall_default(rows: list[Row], fragments: bool) -> dict[str, list[str]]:
    """Per policy of a network firewall: what becomes of packets (or fragments) that no rule names."""
    key = "StatelessFragmentDefaultActions" if fragments else "StatelessDefaultActions"
    return {row.subject: [str(one) for one in row.fields.get(key) or []] for row in rows}


@check("aws.guards.web_acl_rules", WEB_ACLS)
def web_acl_rules(rows: list[Row]) -> dict[str, int]:
    """Per list of the web firewall: how many rules it has."""
    return {row.subject: len(row.fields.get("Rules") or []) for row in rows}


@check("aws.guards.web_acl_logged", WEB_ACL_LOGS)
def web_acl_logged(rows: list[Row]) -> dict[str, bool]:
    """Per list of the web firewall: whether what it sees is written down."""
    return {row.of: bool(row.item) for row in rows}


@check("aws.guards.zone_logged", ZONES, ZONE_LOGS)
def zone_logged(rows: list[Row], logs: list[Row]) -> dict[str, bool]:
    """Per public zone of names: whether what is asked of it is written down."""
    logged = {str(one.fields.get("HostedZoneId")) for one in logs}
    return {row.subject: str(row.fields.get("Id")).rsplit("/", 1)[-1] in logged for row in rows}


@check("aws.guards.certificate_days", CERTIFICATES, REPORT)
def certificate_days(rows: list[Row], report: list[Row]) -> dict[str, int]:
    """Per issued certificate: whole days from the visit until it ends."""
    now = visited_at(report)
    found = {}
    for row in rows:
        ends = row.fields.get("NotAfter")
        if row.fields.get("Status", "ISSUED") == "ISSUED" and isinstance(ends, str):
            found[row.subject] = (datetime.fromisoformat(ends) - now).days
    return found


@check("aws.guards.certificate_key", CERTIFICATES)
def certificate_key(rows: list[Row]) -> dict[str, str | None]:
    """Per certificate: the kind and length of its key, such as RSA-2048."""
    return {row.subject: row.fields.get("KeyAlgorithm") for row in rows}
