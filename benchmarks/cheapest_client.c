/* The cheapest SSH client we could think of: C, libssh, one thread per visit under way, nothing looked at.
 *
 *     cheapest_client PORT USER KEYFILE SCRIPT THREADS <hosts >answer
 *
 * Each host: connect, key exchange, one login by key, one session of `/bin/sh -s` that gets SCRIPT on its standard
 * input, its output read to the end and counted, close. Host keys are not even verified. Prints: hosts bytes failures.
 */
#include <arpa/inet.h>
#include <libssh/libssh.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char hosts[20000][64];
static int known, next, done, failed, port;
static long long received;
static const char *user;
static char *script;
static size_t script_size;
static ssh_key key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int dial(const char *host) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, found = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, host, &to.sin_addr);
    setsockopt(found, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (found < 0 || connect(found, (struct sockaddr *)&to, sizeof to) != 0) return -1;
    setsockopt(found, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    return found;
}

static long visit(const char *host) {
    static __thread char chunk[1 << 15];
    long count = -1;
    int got, no = 0, fd = dial(host);
    ssh_session session = ssh_new();
    if (fd < 0) return -1;
    ssh_options_set(session, SSH_OPTIONS_FD, &fd);
    ssh_options_set(session, SSH_OPTIONS_HOST, host);
    ssh_options_set(session, SSH_OPTIONS_USER, user);
    ssh_options_set(session, SSH_OPTIONS_CIPHERS_C_S, "aes128-gcm@openssh.com");
    ssh_options_set(session, SSH_OPTIONS_CIPHERS_S_C, "aes128-gcm@openssh.com");
    ssh_options_set(session, SSH_OPTIONS_KEY_EXCHANGE, "curve25519-sha256");
    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no);
    if (ssh_connect(session) == SSH_OK && ssh_userauth_publickey(session, NULL, key) == SSH_AUTH_SUCCESS) {
        ssh_channel channel = ssh_channel_new(session);
        if (ssh_channel_open_session(channel) == SSH_OK && ssh_channel_request_exec(channel, "/bin/sh -s") == SSH_OK) {
            ssh_channel_write(channel, script, script_size);
            ssh_channel_send_eof(channel);
            count = 0;
            while ((got = ssh_channel_read(channel, chunk, sizeof chunk, 0)) > 0) count += got;
        }
        ssh_channel_free(channel);
    }
    ssh_disconnect(session);
    ssh_free(session);
    return count;
}

static void *work(void *unused) {
    for (;;) {
        pthread_mutex_lock(&lock);
        int mine = next < known ? next++ : -1;
        pthread_mutex_unlock(&lock);
        if (mine < 0) return unused;
        long count = visit(hosts[mine]);
        pthread_mutex_lock(&lock);
        if (count < 0) failed++;
        else done++, received += count;
        pthread_mutex_unlock(&lock);
    }
}

int main(int count, char **words) {
    if (count != 6) return 2;
    int threads = atoi(words[5]);
    pthread_t workers[64];
    port = atoi(words[1]);
    user = words[2];
    if (threads < 1 || threads > 64 || ssh_pki_import_privkey_file(words[3], NULL, NULL, NULL, &key) != SSH_OK) return 2;
    FILE *opened = fopen(words[4], "rb");
    if (!opened) return 2;
    script = malloc(1 << 20);
    script_size = fread(script, 1, 1 << 20, opened);
    while (known < 20000 && scanf("%63s", hosts[known]) == 1) known++;
    for (int n = 0; n < threads; n++) pthread_create(&workers[n], NULL, work, NULL);
    for (int n = 0; n < threads; n++) pthread_join(workers[n], NULL);
    printf("%d %lld %d\n", done, received, failed);
    return failed != 0;
}
