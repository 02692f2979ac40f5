"""Which AWS controls the seeded account cannot show both good and bad, and why; cases hold them."""

from __future__ import annotations

BY_CASES: dict[str, tuple[str, ...]] = {
    "one answer for the whole account, by the events that its one trail's filters count": (
        "ALM-01", "ALM-02", "ALM-03", "ALM-04", "ALM-05", "ALM-06", "ALM-07", "ALM-08", "ALM-09", "ALM-10", "ALM-11",
        "ALM-12", "ALM-13", "ALM-14", "ALM-15",
    ),
    "one answer for the whole account, which the seeded one gives one way": (
        "IAM-01", "IAM-02", "IAM-03", "IAM-04", "IAM-05", "IAM-13", "IAM-14", "IAM-16", "IAM-21", "S3-03", "LOG-01",
        "LOG-06", "LOG-07", "ORG-02", "ORG-10", "IAM-17", "IAM-20", "LOG-11",
    ),
    "this moto does not offer the call": (
        "IAM-15", "EBS-04", "EBS-05", "SSM-02", "SSM-03", "NFW-01", "NFW-02", "NFW-03", "NET-20", "NFW-06", "RDS-33",
        "RDS-34", "ORG-01", "ORG-08", "BAK-02", "BAK-03", "CDB-10", "SSM-10",
    ),
    "this moto makes the thing in one state only, or not at all": (
        "IAM-07", "IAM-08", "IAM-09", "IAM-12", "IAM-22", "S3-07", "VPC-05", "EC2-02", "RDS-17", "RDS-29", "NEP-07",
        "NEP-09", "DOC-01", "DOC-02", "DOC-03", "DOC-04", "DOC-05", "EFS-02", "RED-02", "RED-04", "OSE-02", "OSE-10",
        "EBN-01", "SGM-04", "MSK-01", "MSK-02", "SEC-01", "SEC-02", "SEC-03", "EMR-01", "MAC-01", "GDY-01", "GDY-02",
        "CDN-03", "CDN-07", "CDN-10", "API-02", "API-04", "API-05", "ACM-01", "ACM-02", "NET-13", "NET-15", "NET-16",
        "NET-18", "EMR-02", "EBN-03", "RDS-35", "RDS-36", "IAM-18", "KMS-11", "S3-14", "LOG-12", "BAK-01", "DMS-10",
        "DMS-11", "SNS-10", "EC2-10", "SHR-03", "SHR-13",
    ),
}  # fmt: skip
