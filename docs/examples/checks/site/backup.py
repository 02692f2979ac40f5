"""The backup client of our site: what its own configuration file says."""

from scanner import Fact, check, file, parse

SETTINGS = Fact(file("/etc/site-backup.conf", sudo=True), parse.key_values)


@check("site.backup.setting", SETTINGS)
def setting(settings: dict[str, str], key: str) -> str | None:
    """The value of `key` in /etc/site-backup.conf, None where the file does not set it."""
    return settings.get(key)
