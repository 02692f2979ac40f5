"""What holds data in the seeded account, from databases to queues: of each kind one good and one bad."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.live.moto_server import Server

ACCOUNT = "123456789012"
PASSWORD = "Correct-Horse-7"
STRANGER = "222222222222"
LOCKED_BUCKET = "locked-bucket"


def policy(action: str, resource: str | None, principal: object = "*", **more: Any) -> str:
    """A policy that lets a principal do something."""
    said: dict[str, Any] = {"Sid": "s", "Effect": "Allow", "Principal": principal, "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [said | ({"Resource": resource} if resource else {})]})


def seed_stores(server: Server) -> None:
    """Fill the account's stores."""
    _relational(server)
    _clusters(server)
    _files_and_caches(server)
    _tables_and_warehouses(server)
    _search(server)
    _messages(server)
    _secrets(server)
    _more_buckets(server)


def _relational(server: Server) -> None:
    rds, ec2 = server.client("rds"), server.client("ec2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    rds.create_db_subnet_group(DBSubnetGroupName="own", DBSubnetGroupDescription="own", SubnetIds=subnets)
    for engine, logs in (("postgres", "postgresql"), ("mysql", "error")):
        rds.create_db_instance(
            DBInstanceIdentifier=f"kept-{engine}", DBInstanceClass="db.t3.micro", Engine=engine, AllocatedStorage=20,
            MasterUsername="shopkeeper", MasterUserPassword=PASSWORD, Port=6033, DBSubnetGroupName="own",
            MonitoringInterval=60, MonitoringRoleArn=f"arn:aws:iam::{ACCOUNT}:role/watch",
            EnableCloudwatchLogsExports=[logs], StorageEncrypted=True, MultiAZ=True,
            CopyTagsToSnapshot=True, EnableIAMDatabaseAuthentication=True, PubliclyAccessible=False,
        )  # fmt: skip
    rds.create_db_instance(
        DBInstanceIdentifier="lent", DBInstanceClass="db.t3.micro", Engine="mysql", AllocatedStorage=20, Port=3306,
        MasterUsername="admin", MasterUserPassword=PASSWORD, PubliclyAccessible=False,
    )  # fmt: skip
    for name, source in (("good-copy", "kept-mysql"), ("bad-copy", "lent")):
        rds.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=source)
    rds.modify_db_snapshot_attribute(
        DBSnapshotIdentifier="bad-copy", AttributeName="restore", ValuesToAdd=["all", STRANGER]
    )
    rds.modify_db_snapshot_attribute(DBSnapshotIdentifier="good-copy", AttributeName="restore", ValuesToAdd=[ACCOUNT])
    topic = server.client("sns").create_topic(Name="databases")["TopicArn"]
    for kind in ("db-instance", "db-cluster", "db-parameter-group", "db-security-group"):
        rds.create_event_subscription(SubscriptionName=kind, SnsTopicArn=topic, SourceType=kind, Enabled=True)


def _clusters(server: Server) -> None:
    for engine, logs in (
        ("aurora-postgresql", "postgresql"), ("aurora-mysql", "audit"), ("neptune", "audit"),
    ):  # fmt: skip
        backtrack = {"BacktrackWindow": 3600} if engine == "aurora-mysql" else {}
        rds, far = server.client("rds"), server.client("rds", "eu-west-1")
        rds.create_db_cluster(
            DBClusterIdentifier=f"good-{engine}", Engine=engine, MasterUsername="shopkeeper", DeletionProtection=True,
            MasterUserPassword=PASSWORD, StorageEncrypted=True, BackupRetentionPeriod=14, CopyTagsToSnapshot=True,
            EnableIAMDatabaseAuthentication=engine.startswith("aurora"), EnableCloudwatchLogsExports=[logs],
            **backtrack,
        )  # fmt: skip
        far.create_db_cluster(
            DBClusterIdentifier=f"bad-{engine}", Engine=engine, MasterUsername="admin", MasterUserPassword=PASSWORD,
            StorageEncrypted=False, BackupRetentionPeriod=1,
        )  # fmt: skip
        for client, kind in ((rds, "good"), (far, "bad")):
            client.create_db_cluster_snapshot(
                DBClusterSnapshotIdentifier=f"{kind}-{engine}-copy", DBClusterIdentifier=f"{kind}-{engine}"
            )
        far.modify_db_cluster_snapshot_attribute(
            DBClusterSnapshotIdentifier=f"bad-{engine}-copy", AttributeName="restore", ValuesToAdd=["all"]
        )


def _files_and_caches(server: Server) -> None:
    efs, cache, dax = server.client("efs"), server.client("elasticache"), server.client("dax")
    files = efs.describe_file_systems()["FileSystems"][0]["FileSystemId"]
    efs.create_access_point(ClientToken="bad", FileSystemId=files)
    efs.create_access_point(
        ClientToken="good", FileSystemId=files, PosixUser={"Uid": 1000, "Gid": 1000}, RootDirectory={"Path": "/shop"}
    )
    cache.create_replication_group(
        ReplicationGroupId="good", ReplicationGroupDescription="good", AutomaticFailoverEnabled=True, Engine="redis",
        AtRestEncryptionEnabled=True, TransitEncryptionEnabled=True, AuthToken="a-token-of-some-length",
        NumCacheClusters=2, SnapshotRetentionLimit=7, CacheNodeType="cache.t3.micro",
    )  # fmt: skip
    cache.create_replication_group(
        ReplicationGroupId="bad", ReplicationGroupDescription="bad", Engine="redis", NumCacheClusters=1,
        CacheNodeType="cache.t3.micro",
    )  # fmt: skip
    for name, upgrade, group in (("good", True, "own"), ("bad", False, "default")):
        cache.create_cache_cluster(
            CacheClusterId=f"{name}-alone", Engine="redis", NumCacheNodes=1, CacheNodeType="cache.t3.micro",
            AutoMinorVersionUpgrade=upgrade, CacheSubnetGroupName=group, SnapshotRetentionLimit=7 if upgrade else 0,
        )  # fmt: skip
    role = f"arn:aws:iam::{ACCOUNT}:role/dax"
    dax.create_cluster(
        ClusterName="good", NodeType="dax.t3.small", ReplicationFactor=1, IamRoleArn=role,
        SSESpecification={"Enabled": True}, ClusterEndpointEncryptionType="TLS",
    )  # fmt: skip
    dax.create_cluster(ClusterName="bad", NodeType="dax.t3.small", ReplicationFactor=1, IamRoleArn=role)
    for name, tags in (("good", True), ("bad", False)):
        server.client("fsx").create_file_system(
            FileSystemType="OPENZFS", StorageCapacity=64, SubnetIds=["subnet-0123456789"], ClientRequestToken=name,
            OpenZFSConfiguration={
                "DeploymentType": "SINGLE_AZ_1", "ThroughputCapacity": 64,
                "CopyTagsToBackups": tags, "CopyTagsToVolumes": tags,
            },
        )  # fmt: skip


def _tables_and_warehouses(server: Server) -> None:
    tables, redshift = server.client("dynamodb"), server.client("redshift")
    tables.update_continuous_backups(
        TableName="growing", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    tables.update_table(TableName="growing", DeletionProtectionEnabled=True)
    redshift.create_cluster(
        ClusterIdentifier="good", NodeType="ra3.large", MasterUsername="shopkeeper", MasterUserPassword=PASSWORD,
        DBName="shop", PubliclyAccessible=False, AutomatedSnapshotRetentionPeriod=14, AllowVersionUpgrade=True,
        Encrypted=True, EnhancedVpcRouting=True,
    )  # fmt: skip
    redshift.create_cluster(
        ClusterIdentifier="bad", NodeType="ra3.large", MasterUsername="awsuser", MasterUserPassword=PASSWORD,
        DBName="dev", PubliclyAccessible=True, AutomatedSnapshotRetentionPeriod=1, AllowVersionUpgrade=False,
    )  # fmt: skip


def _search(server: Server) -> None:
    search = server.client("opensearch")
    search.create_domain(
        DomainName="good", EngineVersion="OpenSearch_2.11", EncryptionAtRestOptions={"Enabled": True},
        NodeToNodeEncryptionOptions={"Enabled": True}, VPCOptions={"SubnetIds": ["subnet-1"]},
        ClusterConfig={"InstanceCount": 3, "ZoneAwarenessEnabled": True, "DedicatedMasterEnabled": True,
                       "DedicatedMasterCount": 3},
        DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07"},
        AdvancedSecurityOptions={"Enabled": True},
        LogPublishingOptions={
            kind: {"CloudWatchLogsLogGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:x", "Enabled": True}
            for kind in ("ES_APPLICATION_LOGS", "AUDIT_LOGS")
        },
    )  # fmt: skip
    search.create_domain(DomainName="bad", EngineVersion="OpenSearch_2.11", AccessPolicies=policy("es:*", "*"))
    search.create_domain(DomainName="closed", EngineVersion="OpenSearch_2.11")


def _messages(server: Server) -> None:
    sns, sqs, kinesis = server.client("sns"), server.client("sqs"), server.client("kinesis")
    partner = {"AWS": f"arn:aws:iam::{STRANGER}:root"}
    good = sns.create_topic(Name="good", Attributes={"KmsMasterKeyId": "alias/aws/sns"})["TopicArn"]
    sns.set_topic_attributes(
        TopicArn=good, AttributeName="LambdaFailureFeedbackRoleArn", AttributeValue=f"arn:aws:iam::{ACCOUNT}:role/x"
    )
    sns.create_topic(Name="open", Attributes={"Policy": policy("SNS:Subscribe", "*")})
    sns.create_topic(Name="partner", Attributes={"Policy": policy("SNS:Publish", "*", partner)})
    sqs.create_queue(QueueName="good", Attributes={"SqsManagedSseEnabled": "true"})
    server.client("sqs", "eu-west-1").create_queue(QueueName="good", Attributes={"SqsManagedSseEnabled": "false"})
    sqs.create_queue(QueueName="bad", Attributes={"SqsManagedSseEnabled": "false", "Policy": policy("sqs:*", "*")})
    sqs.create_queue(QueueName="partner", Attributes={"Policy": policy("sqs:SendMessage", "*", partner)})
    for name in ("good", "bad"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.start_stream_encryption(StreamName="good", EncryptionType="KMS", KeyId="alias/aws/kinesis")
    events = server.client("events")
    for name in ("good", "bad", "open"):
        events.create_event_bus(Name=name)
    events.put_permission(EventBusName="good", Action="events:PutEvents", Principal=STRANGER, StatementId="one")
    events.put_permission(EventBusName="open", Action="events:PutEvents", Principal="*", StatementId="all")
    kafka = server.client("kafka")
    for name, inside, level in (("good", True, "PER_TOPIC_PER_BROKER"), ("bad", False, "DEFAULT")):
        kafka.create_cluster(
            ClusterName=name, KafkaVersion="3.6.0", NumberOfBrokerNodes=2, EnhancedMonitoring=level,
            BrokerNodeGroupInfo={"InstanceType": "kafka.t3.small", "ClientSubnets": ["subnet-1", "subnet-2"]},
            EncryptionInfo={"EncryptionInTransit": {"InCluster": inside, "ClientBroker": "TLS"}},
        )  # fmt: skip


def _secrets(server: Server) -> None:
    secrets = server.client("secretsmanager")
    for name, principal in (("good", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), ("bad", "*")):
        secrets.create_secret(Name=name, SecretString="x")
        secrets.put_resource_policy(
            SecretId=name, ResourcePolicy=policy("secretsmanager:GetSecretValue", "*", principal)
        )
    kms = server.client("kms")
    lent = kms.create_key(Description="lent", Policy=policy("kms:*", "*", {"AWS": f"arn:aws:iam::{STRANGER}:root"}))
    kms.schedule_key_deletion(KeyId=kms.create_key(Description="going")["KeyMetadata"]["KeyId"])
    kms.create_key(Description="open", Policy=policy("kms:Decrypt", "*"))
    assert lent["KeyMetadata"]["Enabled"]


def _more_buckets(server: Server) -> None:
    s3, control = server.client("s3"), server.client("s3control")
    s3.create_bucket(Bucket=LOCKED_BUCKET, ObjectLockEnabledForBucket=True)
    s3.put_bucket_versioning(
        Bucket=LOCKED_BUCKET, VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"}, MFA="x 123456"
    )
    s3.put_object_lock_configuration(Bucket=LOCKED_BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=LOCKED_BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_bucket_replication(
        Bucket=LOCKED_BUCKET,
        ReplicationConfiguration={
            "Role": f"arn:aws:iam::{ACCOUNT}:role/copy",
            "Rules": [{"ID": "all", "Status": "Enabled", "Prefix": "", "Priority": 1,
                       "Destination": {"Bucket": "arn:aws:s3:::good-bucket"}}],
        },
    )  # fmt: skip
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    for name, on in (("good-point", True), ("bad-point", False)):
        control.create_access_point(
            AccountId=ACCOUNT, Name=name, Bucket=LOCKED_BUCKET,
            PublicAccessBlockConfiguration=dict.fromkeys(block, on),
        )  # fmt: skip
