"""What sshd takes where its files say nothing, and what it offers unasked."""

from __future__ import annotations

DEFAULTS = {
    "clientaliveinterval": "0",
    "clientalivecountmax": "3",
    "disableforwarding": "no",
    "gssapiauthentication": "no",
    "hostbasedauthentication": "no",
    "ignorerhosts": "yes",
    "logingracetime": "120",
    "loglevel": "INFO",
    "maxauthtries": "6",
    "maxsessions": "10",
    "maxstartups": "10:30:100",
    "permitemptypasswords": "no",
    "permitrootlogin": "without-password",
    "permituserenvironment": "no",
    "usepam": "no",
    "x11forwarding": "no",
    "banner": "none",
}
"""What sshd takes where the files say nothing: the same since OpenSSH 7.0. Source: sshd_config(5)."""

COMPILED_IN = {
    "ciphers": [
        "chacha20-poly1305@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
    ],
    "macs": [
        "umac-64-etm@openssh.com",
        "umac-128-etm@openssh.com",
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha1-etm@openssh.com",
        "umac-64@openssh.com",
        "umac-128@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
        "hmac-sha1",
    ],
    "kexalgorithms": [
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group14-sha256",
    ],
}
"""What OpenSSH 9.2 offers unasked, as Debian 12 builds it; only used where sshd itself could not be asked."""
