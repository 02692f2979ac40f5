"""An account as companies have them, for comparisons: some hundred things in three regions, good and bad in many ways.

Each kind goes through its ways in turn (a policy that demands TLS for all, for objects only, under a condition …), so
that two tools that read a setting differently are seen to. What is there is the same every time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.live.moto_server import Server

ACCOUNT = "123456789012"
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
WORLD = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
WORLD_6 = {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
OFFICE = {"IpRanges": [{"CidrIp": "198.51.100.0/24"}]}
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
RULES: tuple[Mapping[str, Any] | None, ...] = (
    None,
    {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **WORLD},
    {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **OFFICE},
    {"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, **WORLD_6},
    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **WORLD},
    {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, **WORLD},
    {"IpProtocol": "-1", **WORLD},
    {"IpProtocol": "-1", **OFFICE},
    {"IpProtocol": "tcp", "FromPort": 20, "ToPort": 3400, "IpRanges": [{"CidrIp": "0.0.0.0/1"}]},
    {"IpProtocol": "udp", "FromPort": 22, "ToPort": 22, **WORLD},
    {"IpProtocol": "tcp", "FromPort": 445, "ToPort": 445, **WORLD},
    {"IpProtocol": "tcp", "FromPort": 137, "ToPort": 445, **WORLD_6},
)
"""What the security groups let in, in turn."""

MANAGED = (
    "AdministratorAccess",
    "ReadOnlyAccess",
    "AWSSupportAccess",
    "AWSCloudShellFullAccess",
    "job-function/Billing",
)


def furnish(server: Server) -> None:
    """Fill the account: 45 buckets, 24 users, 60 roles, 36 groups, 36 machines, 150 snapshots, and what goes along."""
    _people(server)
    _roles(server)
    keys = {region: _keys(server, region) for region in REGIONS}
    _buckets(server)
    for number, region in enumerate(REGIONS):
        _network(server, region, number)
        _machines(server, region)
        _databases(server, region, keys[region])
        _programs(server, region)
        _watch(server, region, number)
    _trails(server, keys)
    _alarms(server)


def document(*statements: Mapping[str, Any]) -> str:
    """A policy's text."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _allow(action: object, resource: object = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def _people(server: Server) -> None:
    iam = server.client("iam")
    iam.create_group(GroupName="engineers")
    iam.attach_group_policy(GroupName="engineers", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    for number in range(24):
        name = f"user-{number:02}"
        iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": f"t{number % 4}"}])
        if number % 3:
            iam.create_login_profile(UserName=name, Password="Correct-Horse-7-Battery")
        if number % 4 == 1:
            device = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
            iam.enable_mfa_device(
                UserName=name, SerialNumber=device, AuthenticationCode1="123456", AuthenticationCode2="654321"
            )
        for state in ((), ("Active",), ("Active", "Active"), ("Active", "Inactive"))[number % 4]:
            made = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
            iam.update_access_key(UserName=name, AccessKeyId=made, Status=state)
        if number % 2:
            iam.add_user_to_group(GroupName="engineers", UserName=name)
        if number % 6 == 0:
            iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
        if number % 8 == 2:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(_allow("s3:GetObject")))
    iam.update_account_password_policy(MinimumPasswordLength=14, PasswordReusePrevention=12)
    iam.create_saml_provider(Name="company", SAMLMetadataDocument="x" * 1000)
    iam.upload_server_certificate(ServerCertificateName="shop", CertificateBody="x", PrivateKey="x")


def _roles(server: Server) -> None:
    iam = server.client("iam")
    own = {
        "everything": document(_allow("*")),
        "everything-by-list": document(_allow(["s3:*", "*"], ["*"])),
        "everything-twice": document(_allow("*:*")),
        "everything-from-office": document(_allow("*", Condition={"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}})),
        "all-but-iam": document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        "one-bucket": document(_allow("*", "arn:aws:s3:::bucket-00/*")),
        "undone": document(_allow("*"), {"Effect": "Deny", "Action": "*", "Resource": "*"}),
        "reading": document(_allow(["s3:Get*", "s3:List*"])),
    }
    made = [iam.create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"] for name, text in own.items()]
    arns = [*made[:-1], *(f"arn:aws:iam::aws:policy/{name}" for name in MANAGED), *[made[-1]] * 6]
    for number, arn in zip(range(60), cycle(arns), strict=False):
        trusted = ("lambda.amazonaws.com", "ec2.amazonaws.com")[number % 2]
        trust = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
        name = f"role-{number:02}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust), Path=f"/team-{number % 3}/")
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        if number % 5 == 0:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(_allow("sqs:SendMessage")))
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="role-01")


def _keys(server: Server, region: str) -> str:
    """Six keys of a region; the first one's ARN, which is changed yearly."""
    kms = server.client("kms", region)
    good: str = kms.create_key(Description="changed yearly")["KeyMetadata"]["Arn"]
    kms.enable_key_rotation(KeyId=good)
    kms.create_alias(AliasName="alias/good", TargetKeyId=good)
    kms.create_key(Description="never changed")
    off = kms.create_key(Description="off")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=off)
    leaving = kms.create_key(Description="leaving")["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=leaving, PendingWindowInDays=30)
    kms.create_key(Description="signs", KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    kms.create_key(Description="brought along", Origin="EXTERNAL")
    return good


def _deny(bucket: str, **changed: Any) -> dict[str, Any]:
    arn = f"arn:aws:s3:::{bucket}"
    whole = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"],
             "Condition": {"Bool": {"aws:SecureTransport": "false"}}}  # fmt: skip
    return whole | changed


def _bucket_policies(bucket: str) -> list[str | None]:
    """Ways to demand TLS, or to seem to."""
    arn = f"arn:aws:s3:::{bucket}"
    tls = {"Bool": {"aws:SecureTransport": "true"}}
    return [
        None,
        document(_deny(bucket)),
        document(_deny(bucket, Principal={"AWS": "*"})),
        document(_deny(bucket, Resource=f"{arn}/*")),
        document(_deny(bucket, Action="s3:GetObject")),
        document(_deny(bucket, Action="*", Resource="*")),
        document(_allow("s3:GetObject", f"{arn}/*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Condition=tls)),
        document(_deny(bucket, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/team-0/role-00"})),
        document(_deny(bucket, Condition={"Bool": {"aws:SecureTransport": "false"},
                                          "StringEquals": {"aws:PrincipalAccount": ACCOUNT}})),
        document(_deny(bucket), _allow("s3:GetObject", f"{arn}/*", Principal="*")),
        document(_deny(bucket, Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}})),
    ]  # fmt: skip


def _buckets(server: Server) -> None:
    for number in range(-3, 42):
        name, region = f"bucket-{number:02}" if number >= 0 else f"log{number}", REGIONS[number % 3]
        s3 = server.client("s3", region)
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **place)
        if number < 0:
            s3.put_bucket_acl(Bucket=name, ACL="log-delivery-write")
            continue
        ways = _bucket_policies(name)
        if text := ways[number % len(ways)]:
            s3.put_bucket_policy(Bucket=name, Policy=text)
        if number % 4:
            shut = {block: number % 4 < 3 or block != BLOCKS[number % 3] for block in BLOCKS}
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=shut)
        if number % 3 == 1:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        if number % 5 == 2:
            target = {"TargetBucket": f"log{number % 3 - 3}", "TargetPrefix": name}
            s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": target})


def _network(server: Server, region: str, number: int) -> None:
    ec2 = server.client("ec2", region)
    vpcs = [ec2.create_vpc(CidrBlock=f"10.{10 * number + n}.0.0/16")["Vpc"]["VpcId"] for n in range(3)]
    for at, rule in enumerate(RULES):
        group = ec2.create_security_group(GroupName=f"group-{at:02}", Description="x", VpcId=vpcs[at % 3])["GroupId"]
        if rule:
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    kept = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpcs[0]]},
                                                 {"Name": "group-name", "Values": ["default"]}])  # fmt: skip
    group = kept["SecurityGroups"][0]["GroupId"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[{"IpProtocol": "-1", **WORLD}])
    with suppress(ClientError):  # some of them begin without
        ec2.revoke_security_group_ingress(
            GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
        )
    ec2.create_flow_logs(ResourceIds=[vpcs[0]], ResourceType="VPC", TrafficType="REJECT", LogDestinationType="s3",
                         LogDestination="arn:aws:s3:::bucket-00")  # fmt: skip
    entries = ((-1, None, "0.0.0.0/0"), (6, (22, 22), "0.0.0.0/0"), (6, (3000, 4000), "0.0.0.0/0"),
               (6, (22, 22), "10.0.0.0/8"), (17, (22, 22), "0.0.0.0/0"))  # fmt: skip
    for protocol, ports, block in entries:
        acl = ec2.create_network_acl(VpcId=vpcs[1])["NetworkAcl"]["NetworkAclId"]
        span: Any = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
        ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=10, Protocol=str(protocol), RuleAction="allow",
                                     Egress=False, CidrBlock=block, **span)  # fmt: skip
    joined = ec2.create_vpc_peering_connection(VpcId=vpcs[0], PeerVpcId=vpcs[1])["VpcPeeringConnection"]
    way = joined["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=way)
    for vpc, block in zip(vpcs, (f"10.{10 * number + 1}.0.0/16", f"10.{10 * number}.7.0/24"), strict=False):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=block, VpcPeeringConnectionId=way)


def _machines(server: Server, region: str) -> None:
    ec2 = server.client("ec2", region)
    groups = [
        found["GroupId"]
        for found in sorted(ec2.describe_security_groups()["SecurityGroups"], key=lambda one: one["GroupName"])
        if found["GroupName"].startswith("group-")
    ]
    for number, group in zip(range(12), cycle(groups), strict=False):
        profile: Any = {"IamInstanceProfile": {"Name": "machine"}} if number % 3 else {}
        options = {"HttpTokens": ("required", "optional")[number % 2],
                   "HttpEndpoint": ("enabled", "disabled")[number % 5 == 4]}  # fmt: skip
        made = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceType="t3.micro",
                                 SecurityGroupIds=[group], MetadataOptions=options, **profile)  # fmt: skip
        id = made["Instances"][0]["InstanceId"]
        if number == 9:
            ec2.stop_instances(InstanceIds=[id])
        if number == 10:
            ec2.terminate_instances(InstanceIds=[id])
    for number in range(10):
        disk = ec2.create_volume(AvailabilityZone=f"{region}a", Size=8, Encrypted=number % 2 == 0)["VolumeId"]
        for _ in range(5):
            ec2.create_snapshot(VolumeId=disk)
    if region == "eu-west-1":
        ec2.enable_ebs_encryption_by_default()


def _databases(server: Server, region: str, key: str) -> None:
    rds = server.client("rds", region)
    common: dict[str, Any] = {"DBInstanceClass": "db.t3.micro", "Engine": "postgres", "MasterUsername": "admin1",
                              "MasterUserPassword": "Correct-Horse-7", "AllocatedStorage": 20}  # fmt: skip
    for number in range(4):
        rds.create_db_instance(
            DBInstanceIdentifier=f"db-{number}", StorageEncrypted=number % 2 == 0, PubliclyAccessible=number % 4 == 3,
            MultiAZ=number < 2, AutoMinorVersionUpgrade=number != 2, DeletionProtection=number == 0, **common,
        )  # fmt: skip
    for number, zones in enumerate((["a"], ["a", "b"])):
        rds.create_db_cluster(
            DBClusterIdentifier=f"cluster-{number}", Engine="aurora-postgresql", MasterUsername="root1",
            MasterUserPassword="Correct-Horse-7", StorageEncrypted=number == 1,
            AvailabilityZones=[f"{region}{zone}" for zone in zones],
        )  # fmt: skip
        rds.create_db_instance(
            DBInstanceIdentifier=f"member-{number}", DBClusterIdentifier=f"cluster-{number}",
            DBInstanceClass="db.r5.large", Engine="aurora-postgresql", PubliclyAccessible=False,
        )  # fmt: skip
    files = server.client("efs", region)
    files.create_file_system(CreationToken="good", Encrypted=True, KmsKeyId=key)
    files.create_file_system(CreationToken="bad", Encrypted=False)


def _programs(server: Server, region: str) -> None:
    """What CIS does not ask about, and every account has: topics, queues, tables, secrets, groups of logs."""
    for number in range(6):
        server.client("sqs", region).create_queue(QueueName=f"queue-{number}")
        server.client("sns", region).create_topic(Name=f"topic-{number}")
        server.client("logs", region).create_log_group(logGroupName=f"/program/{number}")
        server.client("secretsmanager", region).create_secret(Name=f"secret-{number}", SecretString="x")
        server.client("dynamodb", region).create_table(
            TableName=f"table-{number}", BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )  # fmt: skip


def _watch(server: Server, region: str, number: int) -> None:
    """All is watched in the first region, half of it in the second, nothing in the third."""
    if number == 2:
        return
    config = server.client("config", region)
    config.put_configuration_recorder(
        ConfigurationRecorder={"name": "default", "roleARN": f"arn:aws:iam::{ACCOUNT}:role/team-0/role-00",
                               "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True}}
    )  # fmt: skip
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "bucket-00"})
    if number == 0:
        config.start_configuration_recorder(ConfigurationRecorderName="default")
        server.client("securityhub", region).enable_security_hub()
        server.client("guardduty", region).create_detector(Enable=True)
        with suppress(ClientError):
            server.client("macie2", region).enable_macie()


def _trails(server: Server, keys: Mapping[str, str]) -> None:
    first, second = server.client("cloudtrail"), server.client("cloudtrail", "eu-west-1")
    logs = server.client("logs")
    logs.create_log_group(logGroupName="trail")
    first.create_trail(
        Name="everywhere", S3BucketName="bucket-02", IsMultiRegionTrail=True, EnableLogFileValidation=True,
        KmsKeyId=keys["us-east-1"], CloudWatchLogsLogGroupArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:trail:*",
        CloudWatchLogsRoleArn=f"arn:aws:iam::{ACCOUNT}:role/team-0/role-00",
    )  # fmt: skip
    first.start_logging(Name="everywhere")
    objects = {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}
    first.put_event_selectors(
        TrailName="everywhere",
        EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [objects]}],
    )
    second.create_trail(Name="here", S3BucketName="bucket-00")
    second.start_logging(Name="here")
    second.put_event_selectors(
        TrailName="here", EventSelectors=[{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True,
                                           "DataResources": [{**objects, "Values": ["arn:aws:s3:::bucket-00/"]}]}]
    )  # fmt: skip
    second.create_trail(Name="off", S3BucketName="bucket-07")


PATTERNS: Mapping[str, str] = {
    "unauthorized": '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
    "sign-in": '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") }',
    "root": '{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS'
            ' && $.eventType != "AwsServiceEvent" }',
    "trails": "{ ($.eventName = CreateTrail) || ($.eventName = UpdateTrail) || ($.eventName = DeleteTrail)"
              " || ($.eventName = StartLogging) || ($.eventName = StopLogging) }",
    "failures": '{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }',
    "keys": "{ ($.eventSource = kms.amazonaws.com) && (($.eventName = DisableKey)"
            " || ($.eventName = ScheduleKeyDeletion)) }",
    "gateways": "{ ($.eventName = CreateCustomerGateway) || ($.eventName = DeleteCustomerGateway)"
                " || ($.eventName = AttachInternetGateway) }",
    "groups": "{ ($.eventName = *SecurityGroup*) }",
}  # fmt: skip
"""Filters of the log: most count all that they are for, that of gateways misses three kinds of event."""


def _alarms(server: Server) -> None:
    logs, watch, sns = server.client("logs"), server.client("cloudwatch"), server.client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="security@example.org")
    for name, pattern in PATTERNS.items():
        logs.put_metric_filter(
            logGroupName="trail", filterName=name, filterPattern=pattern,
            metricTransformations=[{"metricName": name, "metricNamespace": "trail", "metricValue": "1"}],
        )  # fmt: skip
        if name != "keys":  # it has no alarm
            watch.put_metric_alarm(
                AlarmName=name, MetricName=name, Namespace="trail", Statistic="Sum", Period=300, EvaluationPeriods=1,
                Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold", AlarmActions=[topic],
            )  # fmt: skip
