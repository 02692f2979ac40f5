"""What runs in the seeded account: of each kind one good and one bad."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from tests.live.moto_fronts import seed_fronts, subnets_of
from tests.live.moto_stores import ACCOUNT, STRANGER, policy

if TYPE_CHECKING:
    from tests.live.moto_server import Server

ROLE = f"arn:aws:iam::{ACCOUNT}:role/work"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})  # fmt: skip


def seed_programs(server: Server) -> None:
    """Fill the account with what runs in it."""
    server.client("iam").create_role(RoleName="work", AssumeRolePolicyDocument=TRUST)
    _functions(server)
    _images(server)
    _containers(server)
    _kubernetes(server)
    _scaling(server)
    _notebooks(server)
    _builds(server)
    _flows(server)
    seed_fronts(server)
    _copies(server)


def _functions(server: Server) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("x.py", "def run(event, context): pass")
    lamb, subnets = server.client("lambda"), subnets_of(server)
    group = server.client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"]
    for name, runtime, nets in (
        ("good", "python3.13", subnets),
        ("bad", "python3.7", subnets[:1]),
        ("free", "python3.13", []),
    ):
        lamb.create_function(
            FunctionName=name, Runtime=runtime, Role=ROLE, Handler="x.run", Code={"ZipFile": code.getvalue()},
            **({"VpcConfig": {"SubnetIds": nets, "SecurityGroupIds": [group]}} if nets else {}),
        )  # fmt: skip
    lamb.add_permission(
        FunctionName="bad",
        StatementId="all",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    lamb.add_permission(FunctionName="bad", StatementId="one", Action="lambda:InvokeFunction", Principal=STRANGER)
    lamb.add_permission(
        FunctionName="good", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceAccount=ACCOUNT,
    )  # fmt: skip


def _images(server: Server) -> None:
    ecr, ec2 = server.client("ecr"), server.client("ec2")
    ecr.create_repository(
        repositoryName="good", imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True}
    )
    ecr.create_repository(repositoryName="bad")
    rule = {"rulePriority": 1, "action": {"type": "expire"},
            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9}}  # fmt: skip
    ecr.put_lifecycle_policy(repositoryName="good", lifecyclePolicyText=json.dumps({"rules": [rule]}))
    ecr.set_repository_policy(repositoryName="bad", policyText=policy("ecr:*", None))
    ecr.create_repository(repositoryName="partner")
    ecr.set_repository_policy(
        repositoryName="partner", policyText=policy("ecr:BatchGetImage", None, {"AWS": f"arn:aws:iam::{STRANGER}:root"})
    )
    machine = ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]
    for name in ("good", "bad"):
        image = ec2.create_image(InstanceId=machine, Name=name)["ImageId"]
        if name == "bad":
            ec2.modify_image_attribute(
                ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]}, Attribute="launchPermission"
            )
    snapshot = ec2.create_snapshot(VolumeId=ec2.describe_volumes()["Volumes"][0]["VolumeId"])["SnapshotId"]
    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", UserIds=[STRANGER]
    )


def _containers(server: Server) -> None:
    ecs = server.client("ecs")
    ecs.create_cluster(clusterName="seen", settings=[{"name": "containerInsights", "value": "enabled"}])
    ecs.register_task_definition(
        family="good", networkMode="host",
        containerDefinitions=[{
            "name": "good", "image": "x", "memory": 64, "user": "1000", "readonlyRootFilesystem": True,
            "logConfiguration": {"logDriver": "awslogs"},
        }],
    )  # fmt: skip
    ecs.register_task_definition(
        family="bad", networkMode="host", pidMode="host",
        containerDefinitions=[
            {"name": "root", "image": "x", "memory": 64, "environment": [{"name": "DB_PASSWORD", "value": "hunter2"}]},
            {"name": "all", "image": "x", "memory": 64, "privileged": True},
        ],
    )  # fmt: skip
    subnets = subnets_of(server)
    group = server.client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"]
    for name, version in (("old", "1.3.0"), ("new", "LATEST")):
        ecs.create_service(
            cluster="seen", serviceName=name, taskDefinition="good", desiredCount=0, launchType="FARGATE",
            platformVersion=version,
            networkConfiguration={"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [group]}},
        )  # fmt: skip


def _kubernetes(server: Server) -> None:
    eks, subnets = server.client("eks"), subnets_of(server)
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    eks.create_cluster(
        name="good", version="1.35", roleArn=ROLE,
        resourcesVpcConfig={"subnetIds": subnets, "endpointPublicAccess": False, "endpointPrivateAccess": True},
        encryptionConfig=[{"resources": ["secrets"], "provider": {"keyArn": key}}],
        logging={"clusterLogging": [{"types": ["audit", "api"], "enabled": True}]},
    )  # fmt: skip
    eks.create_cluster(
        name="bad", version="1.22", roleArn=ROLE,
        resourcesVpcConfig={"subnetIds": subnets, "endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]},
    )  # fmt: skip


def _scaling(server: Server) -> None:
    scaling, ec2 = server.client("autoscaling"), server.client("ec2")
    ec2.create_launch_template(
        LaunchTemplateName="good",
        LaunchTemplateData={
            "ImageId": "ami-12c6146b", "MetadataOptions": {"HttpTokens": "required"}, "InstanceType": "t3.micro",
        },
    )  # fmt: skip
    ec2.create_launch_template(
        LaunchTemplateName="bad",
        LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]},
    )
    for name, tokens, hops in (("good", "required", 1), ("bad", "optional", 3)):
        scaling.create_launch_configuration(
            LaunchConfigurationName=name, ImageId="ami-12c6146b", InstanceType="t3.micro",
            AssociatePublicIpAddress=name == "bad",
            MetadataOptions={"HttpTokens": tokens, "HttpPutResponseHopLimit": hops},
        )  # fmt: skip
    target = server.client("elbv2").create_target_group(
        Name="scaled", Protocol="HTTP", Port=80, VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    )["TargetGroups"][0]["TargetGroupArn"]
    common: dict[str, Any] = {"MinSize": 0, "MaxSize": 0, "TargetGroupARNs": [target]}
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="good", AvailabilityZones=["us-east-1a", "us-east-1b"], HealthCheckType="ELB",
        MixedInstancesPolicy={"LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateName": "good", "Version": "$Latest"},
            "Overrides": [{"InstanceType": "t3.micro"}, {"InstanceType": "t3a.micro"}],
        }}, **common,
    )  # fmt: skip
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="bad", AvailabilityZones=["us-east-1a"], LaunchConfigurationName="bad", **common
    )


def _notebooks(server: Server) -> None:
    sage, (subnet, _) = server.client("sagemaker"), subnets_of(server)
    sage.create_notebook_instance(
        NotebookInstanceName="good", InstanceType="ml.t3.medium", RoleArn=ROLE, SubnetId=subnet,
        SecurityGroupIds=["sg-1"], DirectInternetAccess="Disabled", RootAccess="Disabled",
    )  # fmt: skip
    sage.create_notebook_instance(
        NotebookInstanceName="bad", InstanceType="ml.t3.medium", RoleArn=ROLE, DirectInternetAccess="Enabled",
        RootAccess="Enabled",
    )  # fmt: skip
    for name, machines in (("good", 2), ("bad", 1)):
        sage.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, EnableNetworkIsolation=name == "good",
            PrimaryContainer={"Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/x:1"},
        )  # fmt: skip
        sage.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": "v", "ModelName": name, "InitialInstanceCount": machines,
                                 "InstanceType": "ml.t2.medium"}],
        )  # fmt: skip


def _builds(server: Server) -> None:
    builds = server.client("codebuild")
    for name, bad in (("good", False), ("bad", True)):
        builds.create_project(
            name=name, artifacts={"type": "NO_ARTIFACTS"}, serviceRole=ROLE,
            source={"type": "GITHUB", "location": f"https://{'me:hunter2@' if bad else ''}github.com/shop/shop"},
            environment={
                "type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL", "privilegedMode": bad,
                "environmentVariables": [{"name": "API_TOKEN" if bad else "STAGE", "value": "x", "type": "PLAINTEXT"}],
            },
            logsConfig={
                "cloudWatchLogs": {"status": "DISABLED"},
                "s3Logs": {"status": "ENABLED", "location": "trail-bucket/x", "encryptionDisabled": bad},
            },
        )  # fmt: skip
    builds.create_project(
        name="silent", artifacts={"type": "NO_ARTIFACTS"}, serviceRole=ROLE,
        source={"type": "GITHUB", "location": "https://github.com/shop/shop"},
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
        logsConfig={"cloudWatchLogs": {"status": "DISABLED"}, "s3Logs": {"status": "DISABLED"}},
    )  # fmt: skip


def _flows(server: Server) -> None:
    steps, athena, stacks = server.client("stepfunctions"), server.client("athena"), server.client("cloudformation")
    definition = json.dumps({"StartAt": "x", "States": {"x": {"Type": "Pass", "End": True}}})
    steps.create_state_machine(name="bad", definition=definition, roleArn=ROLE)
    steps.create_state_machine(
        name="good", definition=definition, roleArn=ROLE,
        loggingConfiguration={"level": "ALL", "destinations": [
            {"cloudWatchLogsLogGroup": {"logGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:trail:*"}}]},
    )  # fmt: skip
    athena.create_work_group(
        Name="good",
        Configuration={"ResultConfiguration": {"EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}}},
    )
    cognito = server.client("cognito-idp")
    cognito.create_user_pool(PoolName="good", UserPoolAddOns={"AdvancedSecurityMode": "ENFORCED"})
    cognito.create_user_pool(PoolName="bad")
    graphs = server.client("appsync")
    for name, level, kept in (("good", "ALL", True), ("bad", "NONE", False)):
        made = graphs.create_graphql_api(
            name=name, authenticationType="API_KEY", logConfig={"fieldLogLevel": level, "cloudWatchLogsRoleArn": ROLE}
        )["graphqlApi"]["apiId"]
        graphs.create_api_cache(
            apiId=made, ttl=60, apiCachingBehavior="FULL_REQUEST_CACHING", type="SMALL", atRestEncryptionEnabled=kept
        )
    topic = server.client("sns").list_topics()["Topics"][0]["TopicArn"]
    template = json.dumps({"Resources": {"Q": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "of-a-stack"}}}})
    stacks.create_stack(StackName="bad", TemplateBody=template)
    stacks.create_stack(
        StackName="good", TemplateBody=template.replace("of-a-stack", "of-another"), NotificationARNs=[topic]
    )


def _copies(server: Server) -> None:
    for name in ("good", "bad"):
        server.client("ssm").create_document(
            Name=name, DocumentType="Command", DocumentFormat="JSON",
            Content=json.dumps({"schemaVersion": "2.2", "description": "x", "mainSteps": []}),
        )  # fmt: skip
    server.client("ssm").modify_document_permission(Name="bad", PermissionType="Share", AccountIdsToAdd=["all"])
    authorities = server.client("acm-pca")
    for name in ("good", "bad"):
        made = authorities.create_certificate_authority(
            CertificateAuthorityType="ROOT",
            CertificateAuthorityConfiguration={
                "KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA", "Subject": {"CommonName": "x"},
            },
        )["CertificateAuthorityArn"]  # fmt: skip
        if name == "good":
            authorities.update_certificate_authority(CertificateAuthorityArn=made, Status="DISABLED")
    dms = server.client("dms")
    for name, mode in (("good", "require"), ("bad", "none")):
        dms.create_endpoint(
            EndpointIdentifier=name, EndpointType="source", EngineName="mysql", Username="x", Password="x",
            ServerName="x", Port=3306, DatabaseName="x", SslMode=mode,
        )  # fmt: skip
        dms.create_replication_instance(
            ReplicationInstanceIdentifier=name, ReplicationInstanceClass="dms.t3.micro",
            PubliclyAccessible=mode == "none", AutoMinorVersionUpgrade=mode != "none",
        )  # fmt: skip
    emr = server.client("emr", "eu-west-1")
    emr.put_block_public_access_configuration(BlockPublicAccessConfiguration={"BlockPublicSecurityGroupRules": True})
