"""Load balancers, CloudFront and API Gateway: what faces the network for the rest."""

from __future__ import annotations

from typing import Any

from scanner import Fact, api, check, parse
from scanner.model import Probe
from scanner.parse import Row

from .rows import Setting, by_parent, settings, value

_BALANCERS = api("elbv2", "describe_load_balancers", items="LoadBalancers", identity="LoadBalancerArn")
BALANCERS = Fact(_BALANCERS, parse.rows)
ATTRIBUTES = Fact(
    api(
        "elbv2",
        "describe_load_balancer_attributes",
        items="Attributes",
        params={"LoadBalancerArn": "LoadBalancerArn"},
        each=_BALANCERS,
    ),
    parse.rows,
)
LISTENERS = Fact(
    api(
        "elbv2",
        "describe_listeners",
        items="Listeners",
        params={"LoadBalancerArn": "LoadBalancerArn"},
        each=_BALANCERS,
    ),
    parse.rows,
)


def _classic(name: str) -> str:
    return f"join('', ['arn:', _partition, ':elasticloadbalancing:', _region, ':', _account, ':loadbalancer/', {name}])"


_CLASSIC = api(
    "elb", "describe_load_balancers", items="LoadBalancerDescriptions", identity=_classic("LoadBalancerName")
)
CLASSIC = Fact(_CLASSIC, parse.rows)
CLASSIC_ATTRIBUTES = Fact(
    api(
        "elb",
        "describe_load_balancer_attributes",
        items="LoadBalancerAttributes",
        params={"LoadBalancerName": "LoadBalancerName"},
        each=_CLASSIC,
    ),
    parse.rows,
)
_DISTRIBUTIONS: Probe = api(
    "cloudfront", "list_distributions", items="DistributionList.Items", everywhere=False, identity="ARN"
)
DISTRIBUTIONS = Fact(
    api("cloudfront", "get_distribution_config", items="DistributionConfig", params={"Id": "Id"}, each=_DISTRIBUTIONS),
    parse.rows,
)


def _gateway(kind: str, id: str) -> str:
    return f"join('', ['arn:', _partition, ':apigateway:', _region, '::/{kind}/', {id}])"


STAGES = Fact(
    api(
        "apigateway",
        "get_stages",
        items="item",
        params={"restApiId": "id"},
        permission="apigateway:GET",
        identity="stageName",
        each=api(
            "apigateway",
            "get_rest_apis",
            items="items",
            permission="apigateway:GET",
            identity=_gateway("restapis", "id"),
        ),
    ),
    parse.rows,
)
_WEB_APIS = api(
    "apigatewayv2", "get_apis", items="Items", permission="apigateway:GET", identity=_gateway("apis", "ApiId")
)
ROUTES = Fact(
    api(
        "apigatewayv2",
        "get_routes",
        items="Items",
        params={"ApiId": "ApiId"},
        permission="apigateway:GET",
        each=_WEB_APIS,
    ),
    parse.rows,
)
WEB_STAGES = Fact(
    api(
        "apigatewayv2",
        "get_stages",
        items="Items",
        params={"ApiId": "ApiId"},
        permission="apigateway:GET",
        each=_WEB_APIS,
    ),
    parse.rows,
)


@check("aws.edges.balancer", BALANCERS, ATTRIBUTES)
def balancer(rows: list[Row], attributes: list[Row], attribute: str, kinds: list[str]) -> dict[str, str | None]:
    """Per load balancer of one of `kinds` (application, network, gateway): an attribute of it, as text."""
    told = by_parent(attributes)
    return {
        row.subject: next(
            (one.fields.get("Value") for one in told.get(row.subject, []) if one.fields.get("Key") == attribute), None
        )
        for row in rows
        if row.fields.get("Type") in kinds
    }


@check("aws.edges.balancer_zones", BALANCERS)
def balancer_zones(rows: list[Row]) -> dict[str, int]:
    """Per load balancer: in how many availability zones it stands."""
    return {row.subject: len(row.fields.get("AvailabilityZones") or []) for row in rows}


@check("aws.edges.balancer_plain", BALANCERS, LISTENERS)
def balancer_plain(rows: list[Row], listeners: list[Row]) -> dict[str, list[str]]:
    """Per application load balancer: ports that answer in clear text with more than a way to the encrypted one."""
    told = by_parent(listeners)
    return {
        row.subject: sorted(str(one.fields.get("Port")) for one in told.get(row.subject, []) if _plain(one.fields))
        for row in rows
        if row.fields.get("Type") == "application"
    }


def _plain(listener: dict[str, Any]) -> bool:
    if listener.get("Protocol") != "HTTP":
        return False
    ways = [action.get("RedirectConfig") or {} for action in listener.get("DefaultActions") or []]
    return not ways or any(way.get("Protocol") != "HTTPS" for way in ways)


@check("aws.edges.classic", CLASSIC_ATTRIBUTES)
def classic(rows: list[Row], key: str) -> Setting:
    """Per classic load balancer: AccessLog.Enabled, ConnectionDraining.Enabled, CrossZoneLoadBalancing.Enabled."""
    return settings(rows, key)


@check("aws.edges.classic_attribute", CLASSIC_ATTRIBUTES)
def classic_attribute(rows: list[Row], attribute: str) -> dict[str, str | None]:
    """Per classic load balancer: one of its additional attributes, such as elb.http.desyncmitigationmode."""
    found: dict[str, str | None] = {}
    for row in rows:
        named = {one.get("Key"): one.get("Value") for one in row.fields.get("AdditionalAttributes") or []}
        found[row.of] = named.get(attribute)
    return found


@check("aws.edges.classic_zones", CLASSIC)
def classic_zones(rows: list[Row]) -> dict[str, int]:
    """Per classic load balancer: in how many availability zones it stands."""
    return {row.subject: len(row.fields.get("AvailabilityZones") or []) for row in rows}


@check("aws.edges.classic_plain", CLASSIC)
def classic_plain(rows: list[Row]) -> dict[str, list[str]]:
    """Per classic load balancer: listeners towards the clients that are not encrypted, as '80/HTTP'."""
    return {
        row.subject: [
            f"{one['Listener'].get('LoadBalancerPort')}/{one['Listener'].get('Protocol')}"
            for one in row.fields.get("ListenerDescriptions") or []
            if str(one["Listener"].get("Protocol")).upper() not in {"HTTPS", "SSL"}
        ]
        for row in rows
    }


@check("aws.edges.classic_certificates", CLASSIC)
def classic_certificates(rows: list[Row]) -> dict[str, list[str]]:
    """Per classic load balancer with encryption: certificates that do not come from Certificate Manager."""
    found = {}
    for row in rows:
        held = [
            str(one["Listener"].get("SSLCertificateId"))
            for one in row.fields.get("ListenerDescriptions") or []
            if str(one["Listener"].get("Protocol")).upper() in {"HTTPS", "SSL"}
        ]
        if held:
            found[row.subject] = [name for name in held if ":acm:" not in name]
    return found


@check("aws.edges.distribution", DISTRIBUTIONS)
def distribution(rows: list[Row], key: str) -> Setting:
    """Per CloudFront distribution: DefaultRootObject, WebACLId, Logging.Enabled, ViewerCertificate.… as configured."""
    return settings(rows, key)


@check("aws.edges.distribution_plain", DISTRIBUTIONS)
def distribution_plain(rows: list[Row]) -> dict[str, list[str]]:
    """Per distribution: paths that are also served in clear text."""
    found = {}
    for row in rows:
        behaviours = [("*", row.fields.get("DefaultCacheBehavior") or {})]
        behaviours += [
            (str(one.get("PathPattern")), one) for one in (row.fields.get("CacheBehaviors") or {}).get("Items") or []
        ]
        found[row.subject] = [path for path, one in behaviours if one.get("ViewerProtocolPolicy") == "allow-all"]
    return found


def _origins(row: Row) -> list[dict[str, Any]]:
    return list((row.fields.get("Origins") or {}).get("Items") or [])


@check("aws.edges.origins_plain", DISTRIBUTIONS)
def origins_plain(rows: list[Row]) -> dict[str, list[str]]:
    """Per distribution: origins that it may fetch from in clear text."""
    found: dict[str, list[str]] = {}
    for row in rows:
        plain = []
        for one in _origins(row):
            policy = (one.get("CustomOriginConfig") or {}).get("OriginProtocolPolicy")
            viewers = value(row.item, "DefaultCacheBehavior.ViewerProtocolPolicy")
            if policy == "http-only" or (policy == "match-viewer" and viewers == "allow-all"):
                plain.append(str(one.get("DomainName")))
        found[row.subject] = plain
    return found


@check("aws.edges.origins_old", DISTRIBUTIONS)
def origins_old(rows: list[Row]) -> dict[str, list[str]]:
    """Per distribution: origins that it may speak SSL 3 to."""
    return {
        row.subject: [
            str(one.get("DomainName"))
            for one in _origins(row)
            if "SSLv3" in (((one.get("CustomOriginConfig") or {}).get("OriginSslProtocols") or {}).get("Items") or [])
        ]
        for row in rows
    }


@check("aws.edges.origins_open", DISTRIBUTIONS)
def origins_open(rows: list[Row]) -> dict[str, list[str]]:
    """Per distribution: buckets behind it that anybody else could be let read as well, for it shows no identity."""
    return {
        row.subject: [
            str(one.get("DomainName"))
            for one in _origins(row)
            if one.get("S3OriginConfig") is not None and not one.get("OriginAccessControlId")
            and not (one.get("S3OriginConfig") or {}).get("OriginAccessIdentity")
        ]
        for row in rows
    }  # fmt: skip


@check("aws.edges.origin_groups", DISTRIBUTIONS)
def origin_groups(rows: list[Row]) -> dict[str, int]:
    """Per distribution: groups of origins, of which one stands in for the other."""
    return {row.subject: int((row.fields.get("OriginGroups") or {}).get("Quantity") or 0) for row in rows}


def _stages(rows: list[Row]) -> dict[str, dict[str, Any]]:
    return {f"{row.of}/stages/{row.fields.get('stageName', row.fields.get('StageName'))}": row.fields for row in rows}


@check("aws.edges.stage", STAGES)
def stage(rows: list[Row], key: str) -> dict[str, str | int | float | bool | list[str] | None]:
    """Per stage of a REST interface: clientCertificateId, tracingEnabled, webAclArn, accessLogSettings.…"""
    return {subject: value(item, key) for subject, item in _stages(rows).items()}


@check("aws.edges.stage_logging", STAGES)
def stage_logging(rows: list[Row]) -> dict[str, str | None]:
    """Per stage of a REST interface: what of all its methods is logged: ERROR, INFO or OFF."""
    levels = {}
    for subject, item in _stages(rows).items():
        levels[subject] = ((item.get("methodSettings") or {}).get("*/*") or {}).get("loggingLevel")
    return levels


@check("aws.edges.stage_cache_open", STAGES)
def stage_cache_open(rows: list[Row]) -> dict[str, list[str]]:
    """Per stage of a REST interface: methods whose answers are cached without encryption."""
    return {
        subject: sorted(
            method
            for method, one in (item.get("methodSettings") or {}).items()
            if one.get("cachingEnabled") and not one.get("cacheDataEncrypted")
        )
        for subject, item in _stages(rows).items()
    }


@check("aws.edges.open_routes", ROUTES)
def open_routes(rows: list[Row]) -> dict[str, list[str]]:
    """Per HTTP or WebSocket interface with routes: those that ask nobody who he is."""
    return {
        subject: sorted(
            str(one.fields.get("RouteKey")) for one in found if one.fields.get("AuthorizationType") in {None, "NONE"}
        )
        for subject, found in by_parent(rows).items()
    }


@check("aws.edges.web_stage_logged", WEB_STAGES)
def web_stage_logged(rows: list[Row]) -> dict[str, bool]:
    """Per stage of an HTTP or WebSocket interface: whether its requests are written down."""
    return {
        subject: bool((item.get("AccessLogSettings") or {}).get("DestinationArn"))
        for subject, item in _stages(rows).items()
    }
