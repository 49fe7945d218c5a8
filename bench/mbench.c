/*
 * mbench: an MQTT 3.1.1 load generator. Raw sockets on loopback, one epoll thread, no allocation per message, so that
 * the broker and not the generator is what is measured.
 *
 *   mbench port=PORT [NAME=VALUE…]      the names and their defaults: struct options below
 *
 * Publishers take turns; number i publishes to bench/t<i>. With `topics`, message n goes to bench/t<n % topics>, with `sites` too to
 * bench/s<n % sites>/t<n % topics>. Subscribers take bench/#; with `own`, number i takes bench/t<i> alone; with `filters`, each
 * takes that many filters with wildcards, such that `matches` of them, of different subscribers, match each of the topics. Stalled
 * subscribers subscribe and then neither read nor send any more.
 *
 * Without publishers the subscribers wait for `count` messages that somebody else publishes; the time runs from the first of them. With a `session`
 * they do not start clean and are the same clients in every run with that number.
 *
 * A message is outstanding until it has been acknowledged (QoS 1: PUBACK, QoS 2: PUBCOMP) *and* delivered to everybody that it
 * is for, stalled ones aside; at most `window` are outstanding. With a `rate` (messages a second) the window is not looked at.
 * Five seconds without any progress end the run. Prints one line of JSON; `pid` is the server, whose memory (the peak from the first
 * connection on) and main thread's time (of the flow alone) are told then. Exit codes: 2 no connection, 3 connection lost, 4 refused.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536
#define MAX_LATENCIES 4000000
#define STALL_SECONDS 5.0
#define SAMPLE_SECONDS 0.1
#define CONNECT_SECONDS 20
#define CONNECTS_AT_ONCE 64 /* fewer than any broker's backlog */
#define FILTERS_PER_SUBSCRIBE 100
#define STALLED_RECEIVE_BYTES 4096

static struct options {
  long port, pid;
  long publishers, subscribers, stalled;
  long qos, bytes, count, window, rate;
  long topics, sites, own, filters, matches;
  long ping; /* each client sends a PINGREQ every so many seconds */
  long session;
} opt = {.publishers = 1, .subscribers = 1, .qos = 1, .bytes = 100, .count = 10000, .window = 500, .matches = 1};

static const struct {
  const char *name;
  long *value;
} option_names[] = {
  {"port", &opt.port}, {"pid", &opt.pid},
  {"publishers", &opt.publishers}, {"subscribers", &opt.subscribers}, {"stalled", &opt.stalled},
  {"qos", &opt.qos}, {"bytes", &opt.bytes}, {"count", &opt.count}, {"window", &opt.window}, {"rate", &opt.rate},
  {"topics", &opt.topics}, {"sites", &opt.sites}, {"own", &opt.own}, {"filters", &opt.filters}, {"matches", &opt.matches},
  {"ping", &opt.ping}, {"session", &opt.session},
};

enum role { SUBSCRIBER, STALLED, PUBLISHER };
enum state { CONNECTING, CONNECTED, SUBSCRIBED };

typedef struct {
  int fd, index;
  enum role role;
  enum state state;
  int subacks;              /* still to come */
  int wants_out;            /* EPOLLOUT is set */
  uint16_t packet_id;
  unsigned char *in;        /* bytes received and not yet parsed */
  size_t in_len, in_cap;
  unsigned char *out;       /* bytes to send: out[out_sent .. out_len) */
  size_t out_sent, out_len, out_cap;
} Client;

static int epoll_fd;
static Client *clients; /* subscribers first, then stalled ones, then publishers */
static int client_count;
static long published, acknowledged, delivered, duplicates;
static double first_delivery;
static double *latencies;
static long latency_count, latency_cap;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void append(Client *c, const void *bytes, size_t n) {
  if (c->out_len + n > c->out_cap) {
    memmove(c->out, c->out + c->out_sent, c->out_len - c->out_sent);
    c->out_len -= c->out_sent;
    c->out_sent = 0;
    while (c->out_len + n > c->out_cap) {
      c->out_cap = c->out_cap * 2 + 4096;
      c->out = realloc(c->out, c->out_cap);
    }
  }
  memcpy(c->out + c->out_len, bytes, n);
  c->out_len += n;
}

static void lost(Client *c, const char *what) {
  const char *roles[] = {"subscriber", "stalled subscriber", "publisher"};
  fprintf(stderr, "%s %d: %s after %ld published, %ld delivered\n", roles[c->role], c->index, what, published, delivered);
  exit(3);
}

static void flush(Client *c) {
  while (c->out_sent < c->out_len) {
    ssize_t n = write(c->fd, c->out + c->out_sent, c->out_len - c->out_sent);
    if (n < 0) {
      if (errno == EAGAIN) break;
      lost(c, strerror(errno));
    }
    c->out_sent += n;
  }
  if (c->out_sent == c->out_len) c->out_sent = c->out_len = 0;
  int wants_out = c->out_len > 0;
  if (wants_out == c->wants_out) return;
  c->wants_out = wants_out;
  struct epoll_event e = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static int put_remaining_length(unsigned char *p, size_t n) {
  int i = 0;
  do {
    unsigned char byte = n % 128;
    n /= 128;
    p[i++] = byte | (n ? 128 : 0);
  } while (n);
  return i;
}

/* The payload starts with the time of sending, so that the subscriber can tell the latency. */
static void publish(Client *c) {
  static unsigned char packet[1 << 20];
  char topic[64];
  int topic_len = opt.sites ? sprintf(topic, "bench/s%ld/t%ld", published % opt.sites, published % opt.topics)
                            : sprintf(topic, "bench/t%ld", opt.topics ? published % opt.topics : c->index);
  size_t at = 0;
  packet[at++] = 0x30 | opt.qos << 1;
  at += put_remaining_length(packet + at, 2 + topic_len + (opt.qos ? 2 : 0) + opt.bytes);
  packet[at++] = topic_len >> 8;
  packet[at++] = topic_len;
  memcpy(packet + at, topic, topic_len);
  at += topic_len;
  if (opt.qos) {
    if (++c->packet_id == 0) c->packet_id = 1;
    packet[at++] = c->packet_id >> 8;
    packet[at++] = c->packet_id;
  }
  memset(packet + at, 'x', opt.bytes);
  if (opt.bytes >= 8) {
    double t = now();
    memcpy(packet + at, &t, 8);
  }
  append(c, packet, at + opt.bytes);
  published++;
}

static void answer(Client *c, unsigned char type, const unsigned char *packet_id) {
  unsigned char packet[4] = {type, 2, packet_id[0], packet_id[1]};
  append(c, packet, 4);
}

/* Filter n of all: `matches` in a row, which is as many subscribers, are for the same topics. */
static int write_filter(const Client *c, long n, char *to) {
  const char *kinds[] = {"bench/+/t%ld", "+/+/t%ld", "bench/+/t%ld/#", "+/+/t%ld/#"};
  if (opt.own) return sprintf(to, "bench/t%d", c->index);
  if (!opt.filters) return sprintf(to, "bench/#");
  long topic = n / opt.matches;
  return sprintf(to, kinds[topic % 4], topic);
}

static void subscribe(Client *c) {
  static unsigned char packet[FILTERS_PER_SUBSCRIBE * 64];
  long filters = opt.filters ? opt.filters : 1;
  for (long done = 0; done < filters;) {
    size_t len = 2; /* the packet identifier */
    for (int i = 0; i < FILTERS_PER_SUBSCRIBE && done < filters; i++, done++) {
      int filter_len = write_filter(c, done * opt.subscribers + c->index, (char *)packet + len + 2);
      packet[len] = filter_len >> 8;
      packet[len + 1] = filter_len;
      packet[len + 2 + filter_len] = opt.qos;
      len += 3 + filter_len;
    }
    packet[0] = 0;
    packet[1] = ++c->subacks;
    unsigned char head[5] = {0x82};
    append(c, head, 1 + put_remaining_length(head + 1, len));
    append(c, packet, len);
  }
}

static void on_suback(Client *c, const unsigned char *granted, const unsigned char *end) {
  for (; granted < end; granted++) {
    if (*granted == opt.qos) continue;
    fprintf(stderr, "subscribed at QoS %ld, granted %d\n", opt.qos, *granted);
    exit(4);
  }
  if (--c->subacks > 0) return;
  c->state = SUBSCRIBED;
  if (c->role == STALLED) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
}

static void on_publish(Client *c, unsigned char flags, const unsigned char *body) {
  int topic_len = body[0] << 8 | body[1];
  int its_qos = flags >> 1 & 3;
  const unsigned char *packet_id = body + 2 + topic_len;
  if (body[2] == '$') return;
  if (delivered++ == 0) first_delivery = now();
  if (flags & 8) duplicates++;
  if (opt.bytes >= 8 && latency_count < latency_cap) {
    double t;
    memcpy(&t, packet_id + (its_qos ? 2 : 0), 8);
    latencies[latency_count++] = now() - t;
  }
  if (its_qos == 1) answer(c, 0x40, packet_id);
  if (its_qos == 2) answer(c, 0x50, packet_id);
}

static void on_packet(Client *c, unsigned char first, const unsigned char *body, size_t len) {
  switch (first >> 4) {
  case 2: /* CONNACK */
    if (body[1]) {
      fprintf(stderr, "refused with code %d\n", body[1]);
      exit(4);
    }
    c->state = CONNECTED;
    if (c->role != PUBLISHER) subscribe(c);
    break;
  case 9: on_suback(c, body + 2, body + len); break;
  case 3: on_publish(c, first & 15, body); break;
  case 4: acknowledged++; break;        /* PUBACK */
  case 5: answer(c, 0x62, body); break; /* PUBREC → PUBREL */
  case 6: answer(c, 0x70, body); break; /* PUBREL → PUBCOMP */
  case 7: acknowledged++; break;        /* PUBCOMP */
  }
}

static void receive(Client *c) {
  for (;;) {
    if (c->in_cap - c->in_len < READ_BYTES) {
      c->in_cap = c->in_cap * 2 + READ_BYTES * 2;
      c->in = realloc(c->in, c->in_cap);
    }
    ssize_t n = read(c->fd, c->in + c->in_len, c->in_cap - c->in_len);
    if (n < 0) {
      if (errno == EAGAIN) break;
      lost(c, strerror(errno));
    }
    if (n == 0) lost(c, "closed by the broker");
    c->in_len += n;
    if (n < READ_BYTES) break;
  }
  size_t at = 0;
  while (c->in_len - at >= 2) {
    size_t remaining = 0, header = 1;
    int whole = 0;
    for (int shift = 0; at + header < c->in_len && header <= 4 && !whole; shift += 7) {
      unsigned char byte = c->in[at + header++];
      remaining |= (size_t)(byte & 127) << shift;
      whole = !(byte & 128);
    }
    if (!whole || c->in_len - at < header + remaining) break;
    on_packet(c, c->in[at], c->in + at + header, remaining);
    at += header + remaining;
  }
  memmove(c->in, c->in + at, c->in_len - at);
  c->in_len -= at;
  if (c->out_len > 0) flush(c);
}

static double main_thread_seconds(void) {
  char path[64], text[64] = "";
  sprintf(path, "/proc/%ld/task/%ld/schedstat", opt.pid, opt.pid);
  int fd = open(path, O_RDONLY);
  if (read(fd, text, sizeof text - 1) <= 0) perror(path);
  close(fd);
  return atof(text) / 1e9;
}

static double peak_mb;

static void sample_memory(void) {
  static double next;
  if (!opt.pid || now() < next) return;
  next = now() + SAMPLE_SECONDS;
  char path[64], text[128] = "";
  long size = 0, resident = 0;
  sprintf(path, "/proc/%ld/statm", opt.pid);
  int fd = open(path, O_RDONLY);
  if (read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%ld %ld", &size, &resident) != 2) perror(path);
  close(fd);
  double mb = resident * (sysconf(_SC_PAGESIZE) / 1048576.0);
  if (mb > peak_mb) peak_mb = mb;
}

static void turn(int timeout_ms) {
  struct epoll_event events[256];
  int n = epoll_wait(epoll_fd, events, 256, timeout_ms);
  for (int i = 0; i < n; i++) {
    Client *c = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) flush(c);
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
  }
  sample_memory();
}

static void connect_client(Client *c) {
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int receive_bytes = STALLED_RECEIVE_BYTES;
  if (c->role == STALLED) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) {
    perror("connect");
    exit(2);
  }
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);

  /* CONNECT: clean session or not, keep-alive 60 s. */
  char id[48];
  int id_len = sprintf(id, "mb%c%d-%ld", "sxp"[c->role], c->index, opt.session ? opt.session : (long)getpid());
  unsigned char head[14] = {0x10, 12 + id_len, 0, 4, 'M', 'Q', 'T', 'T', 4, opt.session ? 0 : 2, 0, 60, 0, id_len};
  append(c, head, 14);
  append(c, id, id_len);
  flush(c);
}

static int is_ready(const Client *c) { return c->state == (c->role == PUBLISHER ? CONNECTED : SUBSCRIBED); }

/* Waits for the first n clients to be connected and subscribed. */
static void await_ready(int n) {
  static int ready;
  for (double start = now(); ready < n;) {
    if (is_ready(clients + ready)) {
      ready++;
    } else if (now() - start > CONNECT_SECONDS) {
      fprintf(stderr, "%d of %d clients were not connected and subscribed within %d s\n", client_count - ready, client_count, CONNECT_SECONDS);
      exit(2);
    } else {
      turn(50);
    }
  }
}

static void connect_all(void) {
  long first_of[] = {0, opt.subscribers, opt.subscribers + opt.stalled};
  client_count = first_of[PUBLISHER] + opt.publishers;
  clients = calloc(client_count, sizeof(Client));
  for (int i = 0; i < client_count; i++) {
    Client *c = clients + i;
    c->role = i >= first_of[PUBLISHER] ? PUBLISHER : i >= first_of[STALLED] ? STALLED : SUBSCRIBER;
    c->index = i - first_of[c->role];
    connect_client(c);
    if (i % CONNECTS_AT_ONCE == 0) await_ready(i);
  }
  await_ready(client_count);
}

/* To how many subscribers each message goes. */
static long copies(void) {
  if (opt.own || opt.subscribers == 0) return opt.subscribers > 0;
  return opt.filters ? opt.matches : opt.subscribers;
}

static long outstanding(void) {
  long undelivered = copies() ? published - delivered / copies() : 0;
  long unacknowledged = opt.qos ? published - acknowledged : 0;
  return undelivered > unacknowledged ? undelivered : unacknowledged;
}

static void send_pings(double seconds) {
  static const unsigned char ping[2] = {0xc0, 0};
  static long sent;
  for (long due = seconds * client_count / opt.ping; sent < due; sent++) {
    Client *c = clients + sent % client_count;
    if (c->role == STALLED) continue;
    append(c, ping, 2);
    flush(c);
  }
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(double p) { return latency_count ? latencies[(long)((latency_count - 1) * p)] * 1e3 : 0; }

static void read_options(int argc, char **argv) {
  int known = sizeof option_names / sizeof *option_names;
  for (int a = 1; a < argc; a++) {
    char *value = strchr(argv[a], '=');
    if (value) *value++ = 0;
    int i = 0;
    while (i < known && strcmp(argv[a], option_names[i].name)) i++;
    if (!value || i == known) {
      fprintf(stderr, "mbench: %s is no NAME=VALUE that it knows\n", argv[a]);
      exit(2);
    }
    *option_names[i].value = atol(value);
  }
}

static void allow_many_sockets(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  allow_many_sockets();
  long wanted = opt.count * copies();
  latency_cap = wanted < MAX_LATENCIES ? wanted : MAX_LATENCIES;
  latencies = malloc((latency_cap + 1) * sizeof(double));
  epoll_fd = epoll_create1(0);
  double connect_start = now();
  connect_all();
  double connect_seconds = now() - connect_start;
  if (opt.publishers) usleep(300000); /* let the broker finish what the connections set off */

  if (!opt.publishers) published = acknowledged = opt.count;
  double start = now(), last_progress = start, cpu = opt.pid ? main_thread_seconds() : 0;
  Client *first_publisher = clients + opt.subscribers + opt.stalled;
  long seen = -1, next = 0;
  while (published < opt.count || delivered < wanted || (opt.qos && acknowledged < opt.count)) {
    long room = opt.rate > 0 ? (long)((now() - start) * opt.rate) - published : opt.window - outstanding();
    if (room > opt.count - published) room = opt.count - published;
    long first = next;
    for (; room > 0; room--) {
      Client *c = first_publisher + next++ % opt.publishers;
      publish(c);
      if (c->out_len - c->out_sent > READ_BYTES) flush(c);
    }
    for (long i = first; i < next && i < first + opt.publishers; i++) flush(first_publisher + i % opt.publishers);
    if (opt.ping) send_pings(now() - start);
    turn(opt.rate > 0 ? 1 : outstanding() < opt.window ? 0 : 20);
    long progress = delivered + acknowledged + (wanted || opt.qos ? 0 : published);
    if (progress != seen) {
      seen = progress;
      last_progress = now();
    } else if (now() - last_progress > (opt.publishers || delivered ? STALL_SECONDS : CONNECT_SECONDS)) {
      break;
    }
  }
  double seconds = (delivered < wanted ? last_progress : now()) - (opt.publishers ? start : first_delivery);
  if (opt.pid) cpu = main_thread_seconds() - cpu;
  qsort(latencies, latency_count, sizeof(double), by_value);
  printf("{\"published\":%ld,\"acked\":%ld,\"delivered\":%ld,\"lost\":%ld,\"dups\":%ld,\"secs\":%.3f,\"pub_per_s\":%.0f,\"dlv_per_s\":%.0f,"
         "\"p50ms\":%.3f,\"p99ms\":%.3f,\"connect_s\":%.3f,\"cpu_s\":%.4f,\"peak_mb\":%.1f}\n",
         published, acknowledged, delivered, published * copies() - delivered, duplicates, seconds, published / seconds, delivered / seconds,
         percentile(0.5), percentile(0.99), connect_seconds, cpu, peak_mb);
  return 0;
}
