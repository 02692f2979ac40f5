"""The credential report of an AWS account: made on demand, fetched when it is ready, one row per user."""

from __future__ import annotations

import csv
import io
import time
from datetime import datetime

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from .aws_call import Answer, Told
from .aws_errors import TooLate, TooMuch, code_of, judge
from .aws_session import Account, Budget, Clients
from .aws_wire import SHAPES

NEEDED = "iam:GenerateCredentialReport and iam:GetCredentialReport"
WAIT_S = 0.5
TRIES = 40


def put_report(clients: Clients, account: Account, budget: Budget) -> Answer:
    """Every row of the report, its subject the user's ARN. AWS makes a new one at most every four hours."""
    try:
        client = clients.of("iam", account.home)
        for _ in range(TRIES):
            if client.generate_credential_report().get("State") == "COMPLETE":
                report = client.get_credential_report()
                return Answer(account.id, _rows(account, report["Content"], report["GeneratedTime"]))
            time.sleep(min(WAIT_S, budget.left_s))
        return Answer(account.id, problem="timed-out", detail="the credential report was not ready in time")
    except boto.ClientError as error:
        if code_of(error) in {"ReportNotPresent", "ReportInProgress"}:
            return Answer(account.id, problem="timed-out", detail="the credential report was not ready in time")
        problem, detail = judge(error, NEEDED, account.home)
    except (boto.BotoCoreError, ResponseParserError, TooLate, TooMuch, *SHAPES) as error:
        problem, detail = judge(error, NEEDED, account.home)
    return Answer(account.id, problem=problem, detail=f"iam credential report: {detail}")


def _rows(account: Account, content: bytes, made_at: datetime) -> tuple[Told, ...]:
    text = content.decode("utf-8", errors="backslashreplace")
    made = {"generated_at": made_at.isoformat()}
    return tuple(Told(row["arn"], account.home, row | made) for row in csv.DictReader(io.StringIO(text)))
