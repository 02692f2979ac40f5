"""What faces the network in the seeded account: of each kind one good and one bad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.live.moto_stores import ACCOUNT

if TYPE_CHECKING:
    from tests.live.moto_server import Server


def seed_fronts(server: Server) -> None:
    """Fill the account with what stands at its edges."""
    _balancers(server)
    _classic(server)
    _distributions(server)
    _interfaces(server)
    _guards(server)
    _networks(server)


def subnets_of(server: Server) -> list[str]:
    """Two subnets of the account's first network."""
    return [one["SubnetId"] for one in server.client("ec2").describe_subnets()["Subnets"]][:2]


def _balancers(server: Server) -> None:
    elb, subnets = server.client("elbv2"), subnets_of(server)
    good, bad = (
        elb.create_load_balancer(Name=name, Subnets=subnets[:many], Type="application")["LoadBalancers"][0]
        for name, many in (("good", 2), ("bad", 2))
    )
    elb.create_load_balancer(Name="one-zone", Subnets=subnets[:1], Type="network")
    told = {
        "routing.http.drop_invalid_header_fields.enabled": "true", "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": "trail-bucket", "deletion_protection.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
    }  # fmt: skip
    for arn, attributes in (
        (good["LoadBalancerArn"], told),
        (bad["LoadBalancerArn"], {"routing.http.desync_mitigation_mode": "monitor"}),
    ):
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value} for key, value in attributes.items()]
        )
    target = elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    secure = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    for one, action in ((good, secure), (bad, {"Type": "forward", "TargetGroupArn": target})):
        elb.create_listener(LoadBalancerArn=one["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action])


def _classic(server: Server) -> None:
    elb, iam = server.client("elb"), server.client("iam")
    found = iam.upload_server_certificate(ServerCertificateName="old", CertificateBody="x", PrivateKey="x")
    held = found["ServerCertificateMetadata"]["Arn"]
    managed = server.client("acm").request_certificate(DomainName="old.example.org")["CertificateArn"]
    for name, port, listened, certificate, zones in (
        ("good", 443, "HTTPS", managed, ["us-east-1a", "us-east-1b"]),
        ("bad", 80, "HTTP", "", ["us-east-1a"]),
        ("held", 443, "SSL", held, ["us-east-1a"]),
    ):
        listener = {"Protocol": listened, "LoadBalancerPort": port, "InstancePort": 80, "InstanceProtocol": "TCP"}
        elb.create_load_balancer(
            LoadBalancerName=name, AvailabilityZones=zones,
            Listeners=[listener | ({"SSLCertificateId": certificate} if certificate else {})],
        )  # fmt: skip
    elb.modify_load_balancer_attributes(
        LoadBalancerName="good",
        LoadBalancerAttributes={
            "AccessLog": {"Enabled": True, "S3BucketName": "trail-bucket", "EmitInterval": 5},
            "ConnectionDraining": {"Enabled": True, "Timeout": 60}, "CrossZoneLoadBalancing": {"Enabled": True},
            "AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "defensive"}],
        },
    )  # fmt: skip


def _distributions(server: Server) -> None:
    front = server.client("cloudfront")
    tls = {"Quantity": 1, "Items": ["TLSv1.2"]}
    old = {"Quantity": 2, "Items": ["SSLv3", "TLSv1"]}
    for name, policy_, viewers, protocols in (("good", "https-only", "redirect-to-https", tls),
                                              ("bad", "http-only", "allow-all", old)):  # fmt: skip
        web = {
            "Id": "web", "DomainName": f"{name}.example.org",
            "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": policy_,
                                   "OriginSslProtocols": protocols},
        }  # fmt: skip
        identity = "origin-access-identity/cloudfront/E1" if name == "good" else ""
        bucket = {
            "Id": "bucket", "DomainName": "good-bucket.s3.amazonaws.com",
            "S3OriginConfig": {"OriginAccessIdentity": identity},
        }  # fmt: skip
        config: dict[str, Any] = {
            "CallerReference": name, "Comment": "", "Enabled": True,
            "Origins": {"Quantity": 2, "Items": [web, bucket]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "web", "ViewerProtocolPolicy": viewers, "MinTTL": 0,
                "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
            },
        }  # fmt: skip
        if name == "good":
            config |= {
                "DefaultRootObject": "index.html", "WebACLId": "acl",
                "Aliases": {"Quantity": 1, "Items": ["shop.example.org"]},
                "Logging": {"Enabled": True, "IncludeCookies": False, "Bucket": "logs.s3.amazonaws.com", "Prefix": ""},
                "ViewerCertificate": {
                    "ACMCertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1",
                    "SSLSupportMethod": "sni-only", "CloudFrontDefaultCertificate": False,
                    "MinimumProtocolVersion": "TLSv1.2_2021",
                },
            }  # fmt: skip
        front.create_distribution(DistributionConfig=config)


def _interfaces(server: Server) -> None:
    rest, web = server.client("apigateway"), server.client("apigatewayv2")
    api = rest.create_rest_api(name="shop")["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    rest.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    rest.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    deployed = rest.create_deployment(restApiId=api)["id"]
    for name in ("good", "bad"):
        rest.create_stage(restApiId=api, stageName=name, deploymentId=deployed, tracingEnabled=name == "good")
    for path, value in (("/*/*/logging/loglevel", "INFO"), ("/*/*/caching/enabled", "true"),
                        ("/*/*/caching/dataEncrypted", "true")):  # fmt: skip
        rest.update_stage(
            restApiId=api, stageName="good", patchOperations=[{"op": "replace", "path": path, "value": value}]
        )
    rest.update_stage(
        restApiId=api, stageName="bad",
        patchOperations=[{"op": "replace", "path": "/*/*/caching/enabled", "value": "true"}],
    )  # fmt: skip
    for name, who in (("good", "AWS_IAM"), ("bad", "NONE")):
        made = web.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        web.create_route(ApiId=made, RouteKey="GET /", AuthorizationType=who)
        logs = {"AccessLogSettings": {"DestinationArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:x", "Format": "x"}}
        web.create_stage(ApiId=made, StageName="live", **(logs if name == "good" else {}))


def _guards(server: Server) -> None:
    waf, wall, names = server.client("wafv2"), server.client("network-firewall"), server.client("route53")
    rule = {
        "Name": "r", "Priority": 1, "Action": {"Block": {}},
        "Statement": {"GeoMatchStatement": {"CountryCodes": ["AQ"]}},
        "VisibilityConfig": {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "r"},
    }  # fmt: skip
    unmeasured = rule | {"VisibilityConfig": {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False,
                                              "MetricName": "r"}}  # fmt: skip
    seen = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
    lists = {
        name: waf.create_web_acl(
            Name=name, Scope="REGIONAL", DefaultAction={"Allow": {}}, Rules=rules, VisibilityConfig=seen
        )["Summary"]["ARN"]
        for name, rules in (("good", [rule]), ("unmeasured", [unmeasured]), ("bad", []))
    }
    waf.put_logging_configuration(
        LoggingConfiguration={
            "ResourceArn": lists["good"],
            "LogDestinationConfigs": [f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/aws-waf-logs-x"],
        }
    )
    balancers = server.client("elbv2").describe_load_balancers()["LoadBalancers"]
    front = next(one["LoadBalancerArn"] for one in balancers if one["LoadBalancerName"] == "good")
    waf.associate_web_acl(WebACLArn=lists["good"], ResourceArn=front)
    for name in ("good", "bad"):
        wall.create_firewall(
            FirewallName=name, FirewallPolicyArn="x", VpcId="vpc-1", DeleteProtection=name == "good",
            SubnetMappings=[{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-2"}],
        )  # fmt: skip
    wall.update_logging_configuration(
        FirewallName="good",
        LoggingConfiguration={"LogDestinationConfigs": [
            {"LogType": "ALERT", "LogDestinationType": "S3", "LogDestination": {"bucketName": "trail-bucket"}}]},
    )  # fmt: skip
    zones = [
        names.create_hosted_zone(Name=f"{name}.example.org", CallerReference=name)["HostedZone"]["Id"]
        for name in ("good", "bad")
    ]
    server.client("logs").create_log_group(logGroupName="/aws/route53/good")
    names.create_query_logging_config(
        HostedZoneId=zones[0].rpartition("/")[2],
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/route53/good:*",
    )
    server.client("acm").request_certificate(DomainName="shop.example.org")


def _networks(server: Server) -> None:
    ec2 = server.client("ec2")
    vpc, machine = ec2.describe_vpcs()["Vpcs"][0]["VpcId"], ec2.describe_instances()["Reservations"][0]["Instances"][0]
    used = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=used, InstanceId=machine["InstanceId"])
    ec2.allocate_address(Domain="vpc")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="172.31.200.0/24")["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    ec2.create_network_acl(VpcId=vpc)
    for accept in ("enable", "disable"):
        ec2.create_transit_gateway(Options={"AutoAcceptSharedAttachments": accept})
    for service in ("s3", "ec2"):
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.us-east-1.{service}", VpcEndpointType="Interface"
                                if service == "ec2" else "Gateway")  # fmt: skip
    second = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=machine["InstanceId"], DeviceIndex=1)
    everywhere = ec2.create_managed_prefix_list(
        PrefixListName="all", MaxEntries=2, AddressFamily="IPv4", Entries=[{"Cidr": "0.0.0.0/0"}]
    )["PrefixList"]["PrefixListId"]
    listed = ec2.create_security_group(GroupName="listed", Description="by a list", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=listed,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389,
                        "PrefixListIds": [{"PrefixListId": everywhere}]}],
    )  # fmt: skip
    ec2.stop_instances(InstanceIds=[machine["InstanceId"]])
