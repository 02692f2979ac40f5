"""What secrets look like: shapes that are secrets wherever they stand, names whose value is one, and what is none.

Texts are searched as they are and as they stand within documents of JSON, where a tab is `\\t` and a quote `\\"`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of secret looks like; its last group is the secret. signs: it begins with one of them, once that is
    lower-cased. A word may begin behind an escaped line break: files come as JSON.
    """

    signs: tuple[str, ...]
    pattern: re.Pattern[str]

    @property
    def is_literal(self) -> bool:
        """Whether every match begins with the sign as it is, which `re` looks for faster than anything here could."""
        begins = self.pattern.pattern.startswith(re.escape(self.signs[0]))
        return begins and len(self.signs) == 1 and not self.pattern.flags & re.IGNORECASE


def _shape(signs: str | tuple[str, ...], *pattern: str, flags: int = 0) -> Shape:
    words = tuple(signs.split()) if isinstance(signs, str) else signs
    return Shape(words, re.compile("".join(pattern), flags))


_EDGE = r"(?:\b|(?<=\\[nrt]))"
_QUOTE = r"(?:\\{1,7}u002[27]|\\{0,7}[\"']?)"  # a document within a document within a document escapes three times
_BLANK = r"(?:[ \t]|\\{1,7}t)"
_END = rf"(?={_BLANK}*(?:[;#\"\n]|\\{{1,7}}[nr]|\r|\Z))"
"""The end of a line, or of what counts of it."""
_GAP = r"(?:\s|\\{1,7}[nrt]){0,40}"
_ARGUMENTS = rf"{_BLANK}(?:(?:[^\n\\;|&]|\\(?![nr])){{0,120}}?{_BLANK})?"
"""What stands between a program and one of its options: no end of the line or of the command."""
_PROSE = (
    r"(?!(?:a|after|age|aging|an|and|at|authentication|change[ds]?|complexity|empty|expire[ds]?|expiry|failed|for|has|"
    r"history|in|incorrect|invalid|is|last|length|locked|max(?:imum)?|min(?:imum)?|missing|must|never|not|of|policy|"
    r"required|set|the|to|unchanged|was|will|wrong)\b)"
)
"""Not before a word that goes on telling of passwords, as `password: min length` does."""
_NET = ("net ", "net\t", "net\\", "net1", "net.exe")
"""`net`, and not the many names of the kernel's settings that begin like it."""
SHAPES = (
    _shape(
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<s>.*?)(?=-----END|\Z)",
        flags=re.S,
    ),
    _shape("private-lines:", r"Private-Lines: \d+(?P<s>.*?)(?=Private-(?:MAC|Hash)|\Z)", flags=re.S),
    _shape("age-secret-key-1", r"AGE-SECRET-KEY-1(?P<s>[A-Z0-9]{20,})"),
    # crypt(5), and its kin in Django, WordPress, LDAP, GRUB, PostgreSQL
    _shape(
        "$",
        r"\$(?:1|2[abxy]?|5|6|7|y|gy|P|H|apr1|sha1|md5|argon2(?:id|i|d)|pbkdf2[a-z0-9-]*|scrypt)",
        r"\$(?P<s>[./A-Za-z0-9=,+$-]{20,512})",
    ),
    _shape("grub.pbkdf2.", r"grub\.pbkdf2\.sha512\.\d{1,9}\.(?P<s>[0-9A-Fa-f.]{32,1024})"),
    _shape(
        "{sha {ssha {md5} {smd5} {crypt}",
        r"\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT)\}(?P<s>[A-Za-z0-9+/=$.]{12,256})",
        flags=re.I,
    ),
    _shape("scram-sha-", r"SCRAM-SHA-(?:1|256|512)\$\d+:(?P<s>[A-Za-z0-9+/=$:]{20,512})"),
    # a field of shadow(5) with a hash of old, one of a dump of Windows' accounts
    _shape(":", r":!{0,2}(?P<s>[./0-9A-Za-z]{13}):\d{0,6}:\d*:\d*:"),
    _shape(":", r":\d{1,10}:(?P<s>[0-9a-fA-F]{32}:[0-9a-fA-F]{32}):"),
    _shape("://", r"://[^\s/:@\"']{0,128}:(?P<s>[^\s/@\"']{1,256})@"),
    _shape(
        "authorization",
        rf"authorization{_QUOTE}{_BLANK}*[:=]{_BLANK}*{_QUOTE}(?:bearer|basic|token){_BLANK}+(?P<s>[\w.~+/=-]{{6,4096}})",
        flags=re.I,
    ),
    _shape("eyj", _EDGE, r"eyJ(?P<s>[\w-]{8,4096}\.[\w-]{4,4096}\.[\w-]{0,4096})"),
    _shape("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", _EDGE, r"(?:gh[pousr]_|github_pat_)(?P<s>\w{20,255})"),
    _shape("glpat- gldt- glrt-", _EDGE, r"gl(?:pat|dt|rt)-(?P<s>[\w.-]{20,255})"),
    _shape(
        "xox hooks.slack.com/",
        _EDGE,
        r"(?:xox[abeoprs]-|hooks\.slack\.com/(?:services|workflows)/)(?P<s>[\w/-]{10,255})",
    ),
    _shape(
        "sk_live_ rk_live_ sk_test_ rk_test_ whsec_", _EDGE, r"(?:[sr]k_(?:live|test)_|whsec_)(?P<s>[\w+/=]{16,255})"
    ),
    _shape(
        "npm_ pypi- sg. aiza ya29. hvs. hvb. dop_v1_ sk- shpat_ dckr_pat_ glsa_ tskey-",
        _EDGE,
        r"(?:npm_|pypi-|SG\.|AIza|ya29\.|hv[sb]\.|dop_v1_|shpat_|dckr_pat_|glsa_|tskey-|sk-(?:proj|ant|svcacct)-)",
        r"(?P<s>[\w.-]{24,512})",
    ),
    _shape("xapp- dapi hf_ sq0csp-", _EDGE, r"(?:xapp-|dapi(?=[0-9a-f]{32})|hf_|sq0csp-)(?P<s>[\w-]{20,255})"),
    _shape(
        "discord outlook.office.com/webhook api.telegram.org/bot",
        r"(?:discord(?:app)?\.com/api/webhooks/\d{1,20}/|outlook\.office\.com/webhook/|api\.telegram\.org/bot\d{1,20}:)",
        r"(?P<s>[\w@/-]{10,255})",
    ),
    _shape("http", r"https?://(?P<s>\w[\w-]{19,254})@", flags=re.I),
    _shape("x-amz-signature=", r"(?<=[?&])x-amz-signature=(?P<s>[0-9a-f]{16,128})", flags=re.I),
    _shape("sig=", r"(?<=[?&])sig=(?P<s>[A-Za-z0-9%+/=_-]{20,256})"),
    _shape(
        "login",
        _EDGE,
        rf"login(?:\s|\\{{1,7}}[nrt])+\S{{1,128}}?(?:\s|\\{{1,7}}[nrt])+password{_BLANK}+(?P<s>[^\s\\]{{1,256}})",
    ),
    _shape(
        "bindpw rootpw requirepass masterauth rocommunity rwcommunity trapcommunity",
        _EDGE,
        rf"(?:bindpw|rootpw|requirepass|masterauth|(?:r[ow]|trap)community6?){_BLANK}+",
        rf"(?:--(?:plaintext|iscrypted){_BLANK}+)?{_QUOTE}(?!--)(?P<s>[^\s\"'\\]{{1,256}})",
        flags=re.I,
    ),
    # options of programs: a word of its own, as long as nothing says that it is the name of a file
    _shape(
        "--",
        r"(?<!-)--(?:[a-z][a-z-]{0,40}?)?(?:password|passwd|pass|passphrase|token|secret|api-?key|secret-(?:access-)?key)",
        rf"{_BLANK}+{_QUOTE}(?P<s>[^\s\"'\\-][^\s\"'\\]{{0,255}})",
    ),
    _shape(
        "-storepass -keypass -srcstorepass -deststorepass -pw",
        rf"(?:(?<=[\s\"'])|(?<=\\[nrt]))-(?:(?:src|dest)?storepass|keypass|pw){_BLANK}+{_QUOTE}(?P<s>[^\s\"'\\-][^\s\"'\\]{{0,255}})",
    ),
    _shape("-pass", rf"-pass(?:in|out)?{_BLANK}+{_QUOTE}pass:(?P<s>[^\s\"'\\]{{1,256}})"),
    _shape(
        "/rp /pass /pwd",
        rf"(?:(?<=[\s\"'])|(?<=\\[nrt]))/(?:rp|pass(?:word)?|pwd)(?::|{_BLANK}+){_QUOTE}(?P<s>[^\s\"'\\/][^\s\"'\\]{{0,255}})",
        flags=re.I,
    ),
    # `docker login`, BIND's keys, variables of containers, and passwords in the arguments of other programs
    _shape('"auth', rf"\"auth\\{{0,7}}\"{_BLANK}*:{_BLANK}*{_QUOTE}(?P<s>[A-Za-z0-9+/=]{{8,4096}})"),
    _shape("secret", _EDGE, rf"secret{_BLANK}+\\{{0,7}}\"(?P<s>[^\"\\\n]{{6,512}})"),
    _shape(
        "name:",
        rf"name:{_BLANK}*{_QUOTE}[\w.-]{{0,100}}(?:pass(?:word|wd|phrase)?|pwd|secret|token|_key){_QUOTE}",
        rf"(?:[ \t\r\n#]|\\{{1,7}}[nrt])+value:{_BLANK}*{_QUOTE}(?P<s>[^\s\"'\\]{{1,512}})",
        flags=re.I,
    ),
    _shape(
        "setenv env",
        rf"(?:SetEnv|ENV|setenv){_BLANK}+\w{{0,100}}(?:PASS(?:WORD|WD)?|PWD|SECRET|TOKEN|_KEY){_BLANK}+{_QUOTE}",
        r"(?P<s>[^\s\"'\\=][^\s\"'\\]{0,511})",
    ),
    _shape("sshpass", rf"sshpass{_BLANK}+-p{_BLANK}*{_QUOTE}(?P<s>[^\s\"'\\]{{1,256}})"),
    _shape(
        "mysql mariadb",
        rf"(?:mysql|mariadb)[\w-]{{0,20}}{_BLANK}(?:[^\n]{{0,200}}?{_BLANK})?-p{_QUOTE}",
        r"(?P<s>[^\s\"'\\-][^\s\"'\\]{0,255})",
    ),
    _shape(
        "sqlcmd osql bcp ipmitool",
        rf"(?:sqlcmd|osql|bcp|ipmitool)(?:\.exe)?{_ARGUMENTS}-P{_BLANK}*{_QUOTE}(?P<s>[^\s\"'\\-][^\s\"'\\]{{0,255}})",
    ),
    _shape(
        "psexec mongo docker podman useradd usermod",
        rf"(?:psexec(?:64)?(?:\.exe)?|mongo\w{{0,12}}|(?:docker|podman){_BLANK}+login|user(?:add|mod)){_ARGUMENTS}",
        rf"-p{_BLANK}+{_QUOTE}(?P<s>[^\s\"'\\-][^\s\"'\\]{{0,255}})",
        flags=re.I,
    ),
    _shape(
        "redis-cli ldap snmp",
        rf"(?:redis-cli{_ARGUMENTS}-a|ldap[a-z]{{3,10}}{_ARGUMENTS}-w|snmp[a-z]{{3,10}}{_ARGUMENTS}-[cAX])",
        rf"{_BLANK}+{_QUOTE}(?P<s>[^\s\"'\\-][^\s\"'\\]{{0,255}})",
    ),
    _shape(
        "smbclient rpcclient winexe lftp",
        rf"(?:(?:smbclient|rpcclient|winexe){_ARGUMENTS}-U{_BLANK}*{_QUOTE}[^\s%\"']{{1,100}}%",
        rf"|lftp{_ARGUMENTS}-u{_BLANK}*{_QUOTE}[^\s,\"']{{1,100}},)(?P<s>[^\s\"'\\]{{1,256}})",
    ),
    _shape(
        "htpasswd",
        rf"htpasswd{_BLANK}+-[a-zA-Z]{{0,8}}b[a-zA-Z]{{0,8}}(?:{_BLANK}+[^\s\\]{{1,200}}){{1,2}}{_BLANK}+{_QUOTE}",
        r"(?P<s>[^\s\"'\\]{1,256})",
    ),
    _shape(
        "echo",
        rf"echo(?:{_BLANK}+-[neE]{{1,3}})?{_BLANK}+{_QUOTE}(?:[\w.-]{{1,64}}:)?(?P<s>[^\s\"'\\|]{{1,256}}){_QUOTE}{_BLANK}*\|",
        rf"{_BLANK}*(?:/[a-z/]{{1,30}}/)?(?:sudo{_BLANK}+(?:-\w+{_BLANK}+)*-\w{{0,4}}S\b|(?:sudo{_BLANK}+)?(?:chpasswd|passwd",
        rf"|smbpasswd|kinit|cryptsetup|(?:docker|podman){_BLANK}+login)\b)",
    ),
    # Windows: accounts and shares by `net`, and what a script makes a secure string of
    _shape(
        _NET,
        rf"(?:(?<![\w.-])|(?<=\\[nrt]))net1?(?:\.exe)?{_BLANK}+user{_BLANK}+[^\s/]{{1,100}}{_BLANK}+{_QUOTE}(?P<s>[^\s/\"'\\][^\s\"'\\]{{0,255}})"
        rf"(?={_BLANK}+/|{_QUOTE}{_END})",
        flags=re.I,
    ),
    _shape(
        _NET,
        rf"(?:(?<![\w.-])|(?<=\\[nrt]))net1?(?:\.exe)?{_BLANK}+use{_BLANK}[^\n]{{0,200}}?/user:[^\s]{{1,100}}{_BLANK}+{_QUOTE}",
        r"(?P<s>[^\s/\"'\\][^\s\"'\\]{0,255})",
        flags=re.I,
    ),
    _shape(
        _NET,
        rf"(?:(?<![\w.-])|(?<=\\[nrt]))net1?(?:\.exe)?{_BLANK}+use{_BLANK}+(?:(?:\w:|\*){_BLANK}+)?\\{{2,8}}[^\s]{{1,200}}{_BLANK}+{_QUOTE}",
        rf"(?P<s>[^\s/\"'\\][^\s\"'\\]{{0,255}})(?={_QUOTE}{_BLANK}+/user)",
        flags=re.I,
    ),
    _shape(
        "convertto-securestring",
        rf"convertto-securestring(?:{_BLANK}+-(?:asplaintext|force|string))*{_BLANK}+{_QUOTE}",
        r"(?P<s>[^\s\"'\\-][^\s\"'\\]{0,255})",
        flags=re.I,
    ),
    _shape(
        "networkcredential pscredential",
        rf"(?:network|ps)credential\]?(?:::new)?{_BLANK}*\({_BLANK}*{_QUOTE}[^\s,\"'\\]{{1,100}}{_QUOTE}{_BLANK}*,{_BLANK}*{_QUOTE}",
        r"(?P<s>[^\s\"'\\(]{1,256})(?=\\|[\"'])",
        flags=re.I,
    ),
    _shape("password>", r"password>(?:\s|\\{1,7}[nrt])*<value>(?P<s>[^<]{1,512})</", flags=re.I),
    # unattended installations, and files of Kubernetes and npm
    _shape(
        "passwd/",
        rf"passwd/[\w-]{{1,40}}password(?:-again|-crypted)?{_BLANK}+(?:password|string){_BLANK}+(?P<s>[^\s\"'\\]{{1,256}})",
    ),
    _shape("plain_text_passwd", rf"plain_text_passwd{_QUOTE}{_BLANK}*:{_BLANK}*{_QUOTE}(?P<s>[^\s\"'\\]{{1,256}})"),
    _shape("client-key-data", rf"client-key-data{_QUOTE}{_BLANK}*:{_BLANK}*{_QUOTE}(?P<s>[A-Za-z0-9+/=]{{16,16384}})"),
    _shape(":_auth", rf":_auth{_BLANK}*={_BLANK}*{_QUOTE}(?P<s>[A-Za-z0-9+/=]{{8,1024}})"),
    _shape(
        "curl wget",
        rf"(?:curl|wget){_BLANK}(?:[^\n]{{0,200}}?{_BLANK})?(?:-u|--user)(?:=|{_BLANK})*{_QUOTE}[^\s:\"'\\]{{1,64}}:",
        r"(?P<s>[^\s\"'\\]{1,256})",
    ),
    _shape("snmp-server", rf"snmp-server{_BLANK}+community{_BLANK}+(?P<s>[^\s\\]{{1,256}})"),
    _shape(
        "identified",
        rf"identified{_BLANK}+by{_BLANK}+(?:password{_BLANK}+)?\\{{0,7}}['\"](?P<s>[^'\"\\]{{1,256}})",
        flags=re.I,
    ),
    # an entry of a document: a tag, a container's variable, a stack's parameter
    _shape(
        '"name "key "parameterkey',
        rf"\"(?:name|key|parameterkey)\\{{0,7}}\"{_GAP}:{_GAP}\\{{0,7}}\"[\w.-]{{0,100}}?",
        rf"(?:pass(?:word|wd|phrase)?|pwd|secret|token|_key)\\{{0,7}}\"{_GAP},{_GAP}\\{{0,7}}\"(?:parameter)?value",
        rf"\\{{0,7}}\"{_GAP}:{_GAP}\\{{0,7}}\"",
        r"(?P<s>[^\"\\]{1,4096})",
        flags=re.I,
    ),
    # cookies, SNMP's users and old communities, IPsec's shared keys, routers, fetchmail, and properties
    _shape(
        "set-cookie",
        rf"set-cookie2?{_QUOTE}{_BLANK}*:{_BLANK}*{_QUOTE}[^\s=;\"']{{1,200}}=(?P<s>[^\s;\"'\\]{{1,4096}})",
        flags=re.I,
    ),
    _shape(
        "cookie",
        rf"(?<!set-)cookie{_QUOTE}{_BLANK}*:{_BLANK}*{_QUOTE}[^\s=;\"'\\]{{1,200}}=(?P<s>[^\r\n\"'\\]{{1,4096}})",
        flags=re.I,
    ),
    _shape(
        "createuser",
        rf"createuser{_BLANK}+(?:-e{_BLANK}+\S{{1,100}}{_BLANK}+)?[^\s\\]{{1,100}}{_BLANK}+(?:MD5|SHA[\w-]{{0,8}}){_BLANK}+",
        r"(?P<s>(?:[^\r\n\\]|\\[^nr]){1,512})",
        flags=re.I,
    ),
    _shape("com2sec", rf"com2sec6?(?:{_BLANK}+[^\s\\]{{1,200}}){{2}}{_BLANK}+(?P<s>[^\s\\]{{1,256}})"),
    _shape("psk eap xauth ntlm", _EDGE, rf"(?:PSK|EAP|XAUTH|NTLM){_BLANK}+\\{{0,7}}\"(?P<s>[^\"'\\\n]{{1,512}})"),
    _shape(
        "username neighbor enable",
        rf"(?:enable|(?:username|neighbor){_BLANK}+[^\s\\]{{1,100}}){_BLANK}+(?:password|secret){_BLANK}+",
        rf"(?:\d{_BLANK}+)?{_PROSE}(?P<s>[^\s\"'\\]{{1,256}}){_END}",
        flags=re.I,
    ),
    _shape(
        "user",
        rf"user(?:name)?{_BLANK}+[^\s\\]{{1,100}}{_BLANK}+(?:there{_BLANK}+)?(?:with{_BLANK}+)?pass(?:word)?{_BLANK}+",
        r"\\{0,7}[\"'](?P<s>[^\"'\\\n]{1,256})",
        flags=re.I,
    ),
    _shape(
        "password: passwd: passphrase: pwd: secret: token:",
        r"(?<=\w[._])(?:password|passwd|passphrase|pwd|secret|token):(?P<s>[^\s\"'\\,;<>&:][^\s\"'\\,;<>&]{3,511})",
        flags=re.I,
    ),
)

_NAMES = (
    r"(?:(?<!no)pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|authtok|bindpw|rootpw|(?<=[_-])pw|(?:(?<![a-z])|(?<=\\[nrt]))psk"
    r"|(?:(?<=api)|(?<=access)|(?<=account)|(?<=secret)|(?<=private)|(?<=shared)|(?<=auth)|(?<=encryption)"
    r"|(?<=signing)|(?<=storage)|(?<=master)|(?<=wep))[_-]?key(?:_base|\d)?)"
)
_VALUE = (
    r"(?:(?:\\{0,7}\"|\\{1,7}u0022)(?P<double>[^\"\\\n]{1,512})"
    r"|(?:\\{0,7}'|\\{1,7}u0027)(?P<single>[^'\\\n]{1,512})"
    r"|(?P<bare>[^\s\"'\\,;<>&]{1,512}))"
)
# behind a colon only what is quoted or stands behind a blank, and never `passwd`: nsswitch.conf and sudoers write so
_BY_NAME = re.compile(
    rf"{_NAMES}(?:\\{{0,7}}[\"']?{_BLANK}{{0,4}}(?:=>?|:=){_BLANK}{{0,4}}{_VALUE}"
    rf"|(?<!passwd)(?:\\{{0,7}}[\"']{_BLANK}{{0,4}}:{_BLANK}{{0,4}}|:{_BLANK}{{1,4}}{_PROSE})"
    rf"{_VALUE.replace('double', 'double2').replace('single', 'single2').replace('bare', 'bare2')}"
    # a line of two words, in the files of many services; the first word may begin before the name
    r"|(?:(?<=password)|(?<=passphrase)|(?<=[_-]pass)|(?<=[_-]secret)|(?<=[_-]token))"
    rf"{_BLANK}{{1,8}}(?:\\{{0,7}}[\"'](?P<quoted>[^\"'\\\n]{{1,512}})\\{{0,7}}[\"']"
    rf"|{_PROSE}(?P<lone>[^\s\"'\\;#]{{1,256}})){_END}"
    r"|>(?P<element>[^<]{1,512})</)",
    re.IGNORECASE,
)
NAMED = Shape(
    ("pass", "pw", "secret", "token", "credential", "authtok", "bindpw", "rootpw", "psk", "key", "_key", "-key"),
    _BY_NAME,
)
FIRST_OF_ITS_LINE = re.compile(rf"(?:\A|[\n\r\"]|\\{{1,7}}[nr])(?:{_BLANK}|[#;])*[\w.-]{{0,60}}\Z")
"""What stands before a name that begins its line, or a comment of one: nothing, or the beginning of the name."""
NAME = re.compile(rf"(?:[^/]*{_NAMES}|auth)\Z", re.IGNORECASE)
"""A key of a JSON object; one with a slash is a path."""
PAIRS = (("name", "value"), ("Name", "Value"), ("key", "value"), ("Key", "Value"), ("ParameterKey", "ParameterValue"))
"""How documents write a variable: its name under one key and its value under another."""
# what stands in a secret's place and is none: nothing, a truth, a small number, a word of PAM, a variable, a reference
NO_SECRET = re.compile(
    r"[*!x.-]*|\d{1,3}|true|false|yes|no|on|off|none|null|nil|required|requisite|sufficient|optional|include|files"
    r"|prompt|ask|\$[({]?\w+[)}]?|\$[({].*|%\w+%|\{\{.*|<.*|redacted|arn:.*|(?:env|file|keyring|command):.*"
    r"|(?:/[\w.@+-]+){2,}/?|grub\.pbkdf2.*|(?:\$[\w-]+\$)?secret-[0-9a-f]{16}",
    re.IGNORECASE | re.DOTALL,
)
