"""Secrets to plant: of each common kind one that opens nothing, and a line in which it stands somewhere.

Made of pieces, so that no tool that looks for leaked secrets takes this file for one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Canary:
    """A kind of secret, its value that must be seen nowhere, and a text of a target with it in it."""

    kind: str
    value: str
    text: str


_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" + "C7canaryKEYbody0123456789"
_A = "Kq7Wz3Rm9Tx5Vb2N"


def _of(kind: str, value: str, text: str) -> Canary:
    return Canary(kind, value, text.replace("@@", value))


CANARIES = (
    _of("docker-auth", "Q2FuYXJ5OmRvY2tlcg" + _A, '{"auths": {"r": {"auth": "@@"}}}'),
    _of("rndc-key", "cAnaryRNDC" + _A, 'key "rndc" { algorithm hmac-sha256; secret "@@"; };'),
    _of("container-variable", "cAnaryPOD" + _A, "- name: DB_PASSWORD\n  value: @@"),
    _of("image-variable", "cAnaryENV" + _A, "ENV DB_PASSWORD @@"),
    _of("sshpass", "cAnarySSHPASS" + _A, "ExecStart=/usr/bin/sshpass -p @@ ssh backup@h"),
    _of("mysql-argument", "cAnaryMYSQL" + _A, "0 3 * * * mysqldump -u root -p@@ --all-databases"),
    _of("curl-argument", "cAnaryCURL" + _A, "curl -s -u robot:@@ https://h/"),
    _of("snmp-server", "cAnarySNMP" + _A, "snmp-server community @@ RO"),
    _of("rails", "cAnaryRAILS" + _A, "  secret_key_base: @@"),
    _of("escaped-twice", "cAnaryNESTED" + _A, r'{"a": "{\"b\": \"{\\\"password\\\": \\\"@@\\\"}\"}"}'),
    _of("sha512crypt", "saltA$" + "Canary6hash" * 7, "alice:$6$@@:19000:0:99999:7:::"),
    _of("yescrypt", "j9T$canarySALT$" + "Canary9hash" * 4, "hash = $y$@@"),
    _of("bcrypt", "12$" + "CanaryBcrypt" * 4, "web:$2y$@@"),
    _of("descrypt", "cAnaryDEShash", "old:@@:19000:0:99999:7:::"),
    _of("ntlm", "aad3b435b51404eeaad3b435b51404ee:" + "c0ffee12" * 4, "Administrator:500:@@:::"),
    _of("ldap", "Q2FuYXJ5" * 4 + "=", "userPassword: {SSHA}@@"),
    _of("rsa-key", _BODY, "-----BEGIN RSA PRIVATE " + "KEY-----\n@@\n-----END RSA PRIVATE " + "KEY-----"),
    _of("openssh-key", "b3BlbnNzaC1rZXk" + _A, "-----BEGIN OPENSSH PRIVATE " + "KEY-----\n@@\n-----END O"),
    _of("pgp-key", "lQOYBGCanary" + _A, "-----BEGIN PGP PRIVATE " + "KEY BLOCK-----\n\n@@\n-----END PGP"),
    _of("putty-key", "AAAAcanaryPUTTY" + _A, "Private-Lines: 1\n@@\nPrivate-MAC: 00"),
    _of("aws-secret", "wJalrCANARY" + "bPxRfiCYEXAMPLEKEY/K7MDENG+1", "aws_secret_access_key = @@"),
    _of("aws-environment", "zzCANARY" + "bPxRfiCYEXAMPLEKEY/K7MDENG+22", "export AWS_SECRET_ACCESS_KEY='@@'"),
    _of("google-key", "SyCanary" + "0123456789abcdefghijklmnopq", "maps: AIza@@"),
    _of("azure-storage", "Q2FuYXJ5QXp1cmU" * 4 + "==", "DefaultEndpointsProtocol=https;AccountKey=@@;EndpointSuffix=x"),
    _of("azure-sas", "canarySAS%2B" + "0123456789abcdef", "https://x.blob.core.windows.net/c?sv=2024&sig=@@&se=1"),
    _of("github-token", "canary" + "0123456789abcdefghijklmnopqrst", "git clone with ghp_@@ now"),
    _of("gitlab-token", "canary" + "0123456789abcdef", "runner uses glpat-@@"),
    _of("slack-token", "123456789012-canary" + "0123456789", "xoxb-@@"),
    _of("slack-hook", "T00CANARY/B00CANARY/" + "canaryhook123", "curl https://hooks.slack.com/services/@@"),
    _of("payment-key", "CanaryPay" + "0123456789abcdef", "sk_live_@@"),
    _of(
        "web-token",
        "zdWIiOiJjYW5hcnkifQ",
        "session eyJhbGciOiJIUzI1NiJ9." + "eyJ@@" + ".c2lnbmF0dXJlLWNhbmFyeQ",
    ),
    _of("bearer", "canary.bearer-" + _A, "Authorization: Bearer @@"),
    _of("basic-login", "Y2FuYXJ5OmJhc2ljbG9naW4=", "Authorization: Basic @@"),
    _of("address", "canary-URL-" + _A, "deb https://me:@@@repo.example.org/ stable main"),
    _of("database-address", "canary-DB-" + _A, "DATABASE_URL=postgresql://app:@@@db/app"),
    _of("connection-string", "canaryODBC" + _A, "Server=db;Uid=app;Pwd=@@;Encrypt=yes"),
    _of("assignment", "canary-assign-" + _A, "smtp_password = @@"),
    _of("quoted", "canary with blanks " + _A, 'PASSPHRASE="@@"'),
    _of("yaml", "canary-yaml-" + _A, "db_password: @@"),
    _of("json", "canary-json-" + _A, '{"user": "x", "clientSecret": "@@"}'),
    _of("xml", "canary-xml-" + _A, "<adminPassword>@@</adminPassword>"),
    _of("netrc", "canary-netrc-" + _A, "machine m.example.org login bot password @@"),
    _of("directory", "canary-ldap-" + _A, "bindpw @@"),
    _of("redis", "canary-redis-" + _A, "requirepass @@"),
    _of("snmp", "canary-snmp-" + _A, "rocommunity @@ 127.0.0.1"),
    _of("command-line", "canary-argv-" + _A, "ExecStart=/usr/bin/app --password @@ --verbose"),
    _of("statement", "canary-sql-" + _A, "CREATE USER app IDENTIFIED BY '@@';"),
    _of("wifi", "canary-psk-" + _A, 'psk="@@"'),
    _of("wireguard", "Q2FuYXJ5V2lyZUd1YXJk" + "MDEyMzQ1Njc4OWFiY2Q=", "PrivateKey = @@"),
    _of("age-key", "CANARY0123456789" + "ABCDEFGHIJ", "AGE-SECRET-KEY-1@@"),
    _of("grub", "10000." + "CAFE" * 16 + "." + "BABE" * 16, "password_pbkdf2 root grub.pbkdf2.sha512.@@"),
    _of("lone-password", "canary-lone-" + _A, "password @@"),
    _of("lone-quoted", "canary lone " + _A, 'sae_password "@@"'),
    _of("lone-indented", "canary-vrrp-" + _A, "authentication {\n  auth_type PASS\n  auth_pass @@\n}"),
    _of("lone-token", "canary-tok-" + _A, "join_token @@"),
    _of("ftp-login", "canary-ftp-" + _A, "machine h\n\tlogin bot\n\tpassword @@"),
    _of("snmp-user", "canary-auth-" + _A, 'createUser bot SHA-256 "@@" AES "x"'),
    _of("snmp-privacy", "canary-priv-" + _A, 'createUser -e 0x80 bot SHA "x" AES "@@"'),
    _of("snmp-source", "canary-com2sec-" + _A, "com2sec readonly default @@"),
    _of("snmp-trap", "canary-trap-" + _A, "trapcommunity @@"),
    _of("cookie", "cAnary-cookie-" + _A + "; b=2", "Cookie: sid=@@"),
    _of("cookie-argument", "cAnary-argcookie-" + _A, "curl -H 'Cookie: sid=@@' https://h/"),
    _of("set-cookie", "cAnary-setcookie-" + _A, "Set-Cookie: sid=@@; Path=/; HttpOnly"),
    _of("property", "canary-property-" + _A, "spring.datasource.password:@@"),
    _of("credential", "canary-credential-" + _A, "SetCredential=db_password:@@"),
    _of("ipsec", "canary ipsec " + _A, '%any %any : PSK "@@"'),
    _of("router-user", "canary-router-" + _A, "username admin password 7 @@"),
    _of("router-enable", "canary-enable-" + _A, "enable secret @@"),
    _of("routing-peer", "canary-bgp-" + _A, " neighbor 192.0.2.1 password @@"),
    _of("fetchmail", "canary-mail-" + _A, 'poll h proto imap user "me" password "@@"'),
    _of("wep", "canary-wep-" + _A, "wep_key0=@@"),
    _of("tag", "cAnaryTAG" + _A, '{"Tags": [{"Key": "DB_PASSWORD", "Value": "@@"}]}'),
    _of("long-option", "cAnaryOPTION" + _A, "ExecStart=/usr/bin/app --db-password @@ --verbose"),
    _of("passphrase-option", "cAnaryGPG" + _A, "gpg --batch --passphrase @@ -c x"),
    _of("api-key-option", "cAnaryAPIKEY" + _A, "agent --api-key @@"),
    _of("keystore", "cAnarySTORE" + _A, "keytool -storepass @@ -list"),
    _of("plink", "cAnaryPLINK" + _A, "plink -ssh u@h -pw @@ ls"),
    _of("openssl", "cAnarySSL" + _A, "openssl rsa -passin pass:@@ -in x"),
    _of("schtasks", "cAnaryTASK" + _A, "schtasks /create /tn x /ru bob /rp @@"),
    _of("cmdkey", "cAnaryCMDKEY" + _A, "cmdkey /add:h /user:b /pass:@@"),
    _of("sqlcmd", "cAnarySQLCMD" + _A, "sqlcmd -S h -U sa -P @@ -i x.sql"),
    _of("psexec", "cAnaryPSEXEC" + _A, "psexec -u bob -p @@ cmd"),
    _of("docker-login", "cAnaryDOCKER" + _A, "docker login -u bob -p @@ r.example.org"),
    _of("redis-cli", "cAnaryREDISCLI" + _A, "redis-cli -h h -a @@ ping"),
    _of("ldapsearch", "cAnaryLDAP" + _A, "ldapsearch -x -D cn=a -w @@ -b dc=x"),
    _of("snmpwalk", "cAnaryWALK" + _A, "snmpwalk -v2c -c @@ h"),
    _of("smbclient", "cAnarySMB" + _A, "smbclient //h/s -U bob%@@ -c ls"),
    _of("lftp", "cAnaryLFTP" + _A, "lftp -u bob,@@ ftp.example.org"),
    _of("htpasswd", "cAnaryHTPASSWD" + _A, "htpasswd -bc /etc/f bob @@"),
    _of("chpasswd", "cAnaryCHPASSWD" + _A, "echo root:@@ | chpasswd"),
    _of("sudo-stdin", "cAnarySUDO" + _A, "echo '@@' | sudo -S id"),
    _of("net-user", "cAnaryNETUSER" + _A, "net user bob @@ /add"),
    _of("net-use", "cAnaryNETUSE" + _A, r"net use z: \\h\s /user:dom\bob @@"),
    _of("net-use-before", "cAnaryNETUSE2" + _A, r"net use z: \\h\s @@ /user:bob"),
    _of("secure-string", "cAnarySECURE" + _A, "ConvertTo-SecureString -String '@@' -AsPlainText -Force"),
    _of("windows-credential", "cAnaryPSC" + _A, "New-Object PSCredential('u', '@@')"),
    _of("unattended", "cAnaryUNATTEND" + _A, "<AdministratorPassword><Value>@@</Value>"),
    _of("preseed", "cAnaryPRESEED" + _A, "d-i passwd/root-password password @@"),
    _of("kickstart", "cAnaryKICK" + _A, "rootpw --plaintext @@"),
    _of("cloud-init", "cAnaryCLOUD" + _A, "    plain_text_passwd: @@"),
    _of("kubeconfig", "Q2FuYXJ5" * 6 + "==", "    client-key-data: @@"),
    _of("npm-login", "Q2FuYXJ5bnBt" + _A, "//registry.example.org/:_auth=@@"),
    _of("short-name", "cAnaryPW" + _A, "LDAP_BIND_PW=@@"),
    _of("chat-hook", "1234567890/cAnaryHook" + _A, "curl https://discord.com/api/webhooks/@@"),
    _of("chat-bot", "AAcAnaryBot" + _A, "curl https://api.telegram.org/bot123456:@@/sendMessage"),
    _of("address-token", "cAnaryTokenURL" + _A, "git clone https://@@@example.org/x"),
    _of("workspace-token", "0123456789abcdef" * 2, "databricks uses dapi@@"),
    _of("windows-script", "canary-powershell-" + _A, r"{\"Line\": \"Password = \u0027@@\u0027\"}"),
)


def as_files(canaries: tuple[Canary, ...] = CANARIES) -> str:
    """All of them as the reply of a `files` probe holds them."""
    return json.dumps({f"/etc/app/{one.kind}": f"# a comment\n{one.text}\nnext = line\n" for one in canaries})
