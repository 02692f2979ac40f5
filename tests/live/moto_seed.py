"""What stands in the seeded account: of each kind one good and one bad, spread over three regions."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.live.moto_programs import seed_programs
from tests.live.moto_stores import seed_stores

if TYPE_CHECKING:
    from tests.live.moto_server import Server

ACCOUNT = "123456789012"
GOOD_BUCKET, PUBLIC_BUCKET, LIST_BUCKET, TRAIL_BUCKET = "good-bucket", "public-bucket", "list-bucket", "trail-bucket"
EVERYWHERE = [{"CidrIp": "0.0.0.0/0"}]


def seed(server: Server) -> None:
    """Fill the account."""
    keys = {region: _keys(server, region) for region in ("us-east-1", "eu-west-1")}
    _buckets(server)
    _people(server)
    for region in ("us-east-1", "eu-west-1", "ap-southeast-2"):
        _network(server, region)
    _trails(server, keys["us-east-1"])
    _databases(server)
    _machines(server)
    _watching(server)
    _alarms(server)
    _running(server)
    seed_stores(server)
    seed_programs(server)


def tls_only(bucket: str) -> str:
    """A policy that denies every request without TLS."""
    arn = f"arn:aws:s3:::{bucket}"
    deny = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    return json.dumps({"Version": "2012-10-17", "Statement": [deny]})


def readable_by_all(bucket: str) -> str:
    """A policy that lets anybody read."""
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def _buckets(server: Server) -> None:
    s3, europe = server.client("s3"), server.client("s3", "eu-west-1")
    for name in (GOOD_BUCKET, LIST_BUCKET, TRAIL_BUCKET):
        s3.create_bucket(Bucket=name)
    europe.create_bucket(Bucket=PUBLIC_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_acl(Bucket=TRAIL_BUCKET, ACL="log-delivery-write")
    s3.put_bucket_logging(
        Bucket=GOOD_BUCKET, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": TRAIL_BUCKET, "TargetPrefix": "l/"}}
    )
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    for name in (GOOD_BUCKET, TRAIL_BUCKET):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
        s3.put_bucket_policy(Bucket=name, Policy=tls_only(name))
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket=GOOD_BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_ownership_controls(
        Bucket=GOOD_BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket=GOOD_BUCKET,
        LifecycleConfiguration={
            "Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 400}}]
        },
    )
    europe.put_bucket_policy(Bucket=PUBLIC_BUCKET, Policy=readable_by_all(PUBLIC_BUCKET))
    s3.put_bucket_acl(Bucket=LIST_BUCKET, ACL="public-read")
    partner = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
               "Action": "s3:PutBucket*", "Resource": f"arn:aws:s3:::{LIST_BUCKET}"}  # fmt: skip
    s3.put_bucket_policy(Bucket=LIST_BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [partner]}))
    s3.put_bucket_policy(
        Bucket=TRAIL_BUCKET,
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [
            *json.loads(tls_only(TRAIL_BUCKET))["Statement"],
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject",
             "Resource": f"arn:aws:s3:::{TRAIL_BUCKET}/*"},
        ]}),
    )  # fmt: skip


def _people(server: Server) -> None:
    iam = server.client("iam")
    for name in ("ada", "bob"):
        iam.create_user(UserName=name)
        iam.create_login_profile(UserName=name, Password="Correct-Horse-7-Battery")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="ada")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName="ada", SerialNumber=device, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )
    iam.create_access_key(UserName="bob")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    reading = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
    bad = iam.create_policy(PolicyName="everything", PolicyDocument=json.dumps(everything))["Policy"]["Arn"]
    good = iam.create_policy(PolicyName="reading", PolicyDocument=json.dumps(reading))["Policy"]["Arn"]
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=good)
    iam.attach_user_policy(UserName="bob", PolicyArn=bad)
    iam.update_account_password_policy(MinimumPasswordLength=8, RequireSymbols=True, PasswordReusePrevention=24)


def _network(server: Server, region: str) -> None:
    ec2 = server.client("ec2", region)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    closed = ec2.create_security_group(GroupName="closed", Description="inside only", VpcId=vpc)["GroupId"]
    inside = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
    ec2.authorize_security_group_ingress(GroupId=closed, IpPermissions=inside)
    if region == "ap-southeast-2":
        return
    opened = ec2.create_security_group(GroupName="ranged", Description="a range over SSH", VpcId=vpc)["GroupId"]
    ranged = [{"IpProtocol": "tcp", "FromPort": 20, "ToPort": 30, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=opened, IpPermissions=ranged)
    everything = ec2.create_security_group(GroupName="all", Description="everything", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=everything, IpPermissions=[{"IpProtocol": "-1", "IpRanges": EVERYWHERE}]
    )
    if region == "us-east-1":
        ec2.enable_ebs_encryption_by_default()
        ec2.create_flow_logs(
            ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{TRAIL_BUCKET}",
        )  # fmt: skip


def _keys(server: Server, region: str) -> str:
    kms = server.client("kms", region)
    kms.create_key(Description="never changed")
    good: str = kms.create_key(Description="changed yearly")["KeyMetadata"]["Arn"]
    kms.enable_key_rotation(KeyId=good)
    return good


def _trails(server: Server, key: str) -> None:
    trail = server.client("cloudtrail")
    trail.create_trail(
        Name="everywhere",
        S3BucketName=TRAIL_BUCKET,
        IsMultiRegionTrail=True,
        EnableLogFileValidation=True,
        KmsKeyId=key,
        CloudWatchLogsLogGroupArn=_log_group(server),
        CloudWatchLogsRoleArn=f"arn:aws:iam::{ACCOUNT}:role/trail",
    )
    trail.start_logging(Name="everywhere")
    trail.put_event_selectors(
        TrailName="everywhere", EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}]
    )
    local = server.client("cloudtrail", "eu-west-1")
    local.create_trail(Name="here", S3BucketName=GOOD_BUCKET)


def _databases(server: Server) -> None:
    common: dict[str, Any] = {
        "DBInstanceClass": "db.t3.micro", "Engine": "postgres", "MasterUsername": "admin1",
        "MasterUserPassword": "Correct-Horse-7", "AllocatedStorage": 20,
    }  # fmt: skip
    server.client("rds").create_db_instance(
        DBInstanceIdentifier="good", StorageEncrypted=True, PubliclyAccessible=False, BackupRetentionPeriod=14,
        MultiAZ=True, DeletionProtection=True, CopyTagsToSnapshot=True, AutoMinorVersionUpgrade=True,
        EnableIAMDatabaseAuthentication=True, **common,
    )  # fmt: skip
    server.client("rds", "eu-west-1").create_db_instance(
        DBInstanceIdentifier="bad", StorageEncrypted=False, PubliclyAccessible=True, BackupRetentionPeriod=1,
        MultiAZ=False, DeletionProtection=False, AutoMinorVersionUpgrade=False, **common,
    )  # fmt: skip
    server.client("efs").create_file_system(CreationToken="good", Encrypted=True)
    server.client("efs", "eu-west-1").create_file_system(CreationToken="bad", Encrypted=False)


def _machines(server: Server) -> None:
    ec2 = server.client("ec2")
    for tokens in ("required", "optional"):
        ec2.run_instances(
            ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceType="t3.micro",
            MetadataOptions={"HttpTokens": tokens, "HttpEndpoint": "enabled"},
        )  # fmt: skip
    zone = {"AvailabilityZone": "us-east-1a", "Size": 1}
    good = ec2.create_volume(Encrypted=True, **zone)["VolumeId"]
    ec2.create_volume(Encrypted=False, **zone)
    for shared in (False, True):
        snapshot = ec2.create_snapshot(VolumeId=good)["SnapshotId"]
        if shared:
            ec2.modify_snapshot_attribute(
                SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"]
            )


def _watching(server: Server) -> None:
    server.client("guardduty").create_detector(Enable=True)
    config = server.client("config")
    config.put_configuration_recorder(
        ConfigurationRecorder={
            "name": "default", "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config",
            "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
        }
    )  # fmt: skip
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": TRAIL_BUCKET})
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    with suppress(ClientError):  # not every moto has it
        server.client("securityhub").enable_security_hub()


def _log_group(server: Server) -> str:
    server.client("logs").create_log_group(logGroupName="trail")
    return f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:trail:*"


def _alarms(server: Server) -> None:
    """Somebody is told of changes of the log; of changes of routes an alarm tells nobody."""
    logs, watch, sns = server.client("logs"), server.client("cloudwatch"), server.client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="security@example.org")
    patterns = {
        "log": ('{ ($.eventName = *Trail) || ($.eventName = "StartLogging") || ($.eventName = StopLogging) }', [topic]),
        "routes": ("{ ($.eventName = *Route*) }", []),
    }
    for name, (pattern, actions) in patterns.items():
        logs.put_metric_filter(
            logGroupName="trail", filterName=name, filterPattern=pattern,
            metricTransformations=[{"metricName": name, "metricNamespace": "trail", "metricValue": "1"}],
        )  # fmt: skip
        watch.put_metric_alarm(
            AlarmName=name, MetricName=name, Namespace="trail", Statistic="Sum", Period=300, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold", AlarmActions=actions,
        )  # fmt: skip


def _running(server: Server) -> None:
    """A public and an inner container service, a fixed and a growing table, and a wide route into a joined network."""
    ecs, ec2 = server.client("ecs"), server.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}])
    for name, assign in (("inner", "DISABLED"), ("open", "ENABLED")):
        ecs.create_service(
            cluster="shop", serviceName=name, taskDefinition="web", desiredCount=0, launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": assign}
            },
        )  # fmt: skip
    common: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    }
    tables = server.client("dynamodb")
    tables.create_table(TableName="growing", BillingMode="PAY_PER_REQUEST", **common)
    tables.create_table(
        TableName="fixed", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}, **common
    )
    ours, theirs = (ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"] for block in ("10.8.0.0/16", "10.9.0.0/16"))
    joined = ec2.create_vpc_peering_connection(VpcId=ours, PeerVpcId=theirs)["VpcPeeringConnection"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=joined["VpcPeeringConnectionId"])
    for vpc, block in ((ours, "10.9.0.0/16"), (theirs, "10.8.7.0/24")):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(
            RouteTableId=table, DestinationCidrBlock=block, VpcPeeringConnectionId=joined["VpcPeeringConnectionId"]
        )
