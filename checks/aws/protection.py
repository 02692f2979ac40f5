"""What stands before, beside and behind a service: web and network firewalls, and the plan that backs it up."""

from __future__ import annotations

from scanner import Fact, api, check, parse
from scanner.parse import Row

from .databases import CLUSTERS, INSTANCES
from .edges import BALANCERS
from .guards import FIREWALLS, WEB_ACLS

WEB_FIREWALL = Fact(
    api(
        "wafv2",
        "get_web_acl_for_resource",
        items="{name: WebACL.Name}",
        # the web firewall knows only balancers of applications: about the others it is not asked
        params={"ResourceArn": "Type == 'application' && LoadBalancerArn || `null`"},
        each=BALANCERS.probe,
    ),
    parse.rows,
)
FIREWALL_LOGS = Fact(
    api(
        "network-firewall",
        "describe_logging_configuration",
        params={"FirewallArn": "FirewallArn"},
        each=FIREWALLS.probe.each,
    ),
    parse.rows,
)
RULE_GROUPS = Fact(
    api(
        "network-firewall",
        "describe_rule_group",
        items="{type: RuleGroupResponse.Type, rules: length(not_null("
        "RuleGroup.RulesSource.StatelessRulesAndCustomActions.StatelessRules, `[]`))}",
        params={"RuleGroupArn": "Arn"},
        each=api("network-firewall", "list_rule_groups", items="RuleGroups", identity="Arn"),
    ),
    parse.rows,
)
PROTECTED = Fact(api("backup", "list_protected_resources", items="{arns: Results[].ResourceArn}"), parse.rows)


@check("aws.protection.web_firewall", WEB_FIREWALL)
def web_firewall(rows: list[Row]) -> dict[str, str | None]:
    """Per application load balancer: the list of the web firewall that its requests go through first."""
    return {row.of: row.fields.get("name") for row in rows if row.item is not None}


@check("aws.protection.firewall_logs", FIREWALL_LOGS)
def firewall_logs(rows: list[Row]) -> dict[str, list[str]]:
    """Per network firewall: the kinds of log that it writes: ALERT, FLOW, TLS."""
    found = {}
    for row in rows:
        places = (row.fields.get("LoggingConfiguration") or {}).get("LogDestinationConfigs") or []
        found[row.of] = sorted(str(one.get("LogType")) for one in places)
    return found


@check("aws.protection.stateless_rules", RULE_GROUPS)
def stateless_rules(rows: list[Row]) -> dict[str, int]:
    """Per group of rules of a network firewall that looks at packets one by one: how many rules it holds."""
    return {row.of: int(row.fields["rules"]) for row in rows if row.fields.get("type") == "STATELESS"}


@check("aws.protection.firewall_zones", FIREWALLS)
def firewall_zones(rows: list[Row]) -> dict[str, int]:
    """Per network firewall: in how many subnets, one for each availability zone, it stands."""
    return {row.subject: len(row.fields.get("SubnetMappings") or []) for row in rows}


@check("aws.protection.rules_unmeasured", WEB_ACLS)
def rules_unmeasured(rows: list[Row]) -> dict[str, list[str]]:
    """Per list of the web firewall: its rules whose hits are counted nowhere."""
    return {
        row.subject: [
            str(rule.get("Name"))
            for rule in row.fields.get("Rules") or []
            if (rule.get("VisibilityConfig") or {}).get("CloudWatchMetricsEnabled") is not True
        ]
        for row in rows
    }


def _held(rows: list[Row], protected: list[Row]) -> dict[str, bool]:
    """Only of regions that told what they keep: elsewhere nothing is known."""
    answered = {row.region for row in protected}
    kept = {arn for row in protected for arn in row.fields.get("arns") or []}
    return {row.subject: row.subject in kept for row in rows if row.region in answered}


@check("aws.protection.database_backed_up", INSTANCES, PROTECTED)
def database_backed_up(rows: list[Row], protected: list[Row]) -> dict[str, bool]:
    """Per database that stands alone: whether AWS Backup keeps recovery points of it."""
    alone = [row for row in rows if not row.fields.get("DBClusterIdentifier")]
    return _held(alone, protected)


@check("aws.protection.cluster_backed_up", CLUSTERS, PROTECTED)
def cluster_backed_up(rows: list[Row], protected: list[Row]) -> dict[str, bool]:
    """Per cluster of databases: whether AWS Backup keeps recovery points of it."""
    return _held(rows, protected)
