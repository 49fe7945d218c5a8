/*
 * mbench: an MQTT 3.1.1 load generator. Raw sockets on loopback, one epoll thread, no allocation per message, so that
 * the broker and not the generator is what is measured.
 *
 *   mbench PORT PUBLISHERS SUBSCRIBERS QOS BYTES TOTAL_COUNT WINDOW [RATE] [FILTER] [TOPICS]
 *
 * Publishers take turns; number i publishes to bench/t<i>, or with TOPICS, message n goes to bench/t<n % TOPICS>. Subscribers
 * take FILTER (bench/# by default) at the same QoS. A message is outstanding until it has been acknowledged (QoS 1: PUBACK,
 * QoS 2: PUBCOMP) *and* delivered to every subscriber; at most WINDOW are outstanding. With a RATE above 0 (messages a second)
 * the window is not looked at. Five seconds without any progress end the run. Prints one line of JSON; exit codes: 2 no connection,
 * 3 connection lost, 4 refused.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536
#define MAX_LATENCIES 4000000
#define STALL_SECONDS 5.0

enum state { CONNECTING, CONNECTED, SUBSCRIBED };

typedef struct {
  int fd, is_publisher, index;
  enum state state;
  int wants_out;            /* EPOLLOUT is set */
  uint16_t packet_id;
  unsigned char *in;        /* bytes received and not yet parsed */
  size_t in_len, in_cap;
  unsigned char *out;       /* bytes to send: out[out_sent .. out_len) */
  size_t out_sent, out_len, out_cap;
} Client;

static int epoll_fd;
static Client *clients; /* subscribers first, then publishers */
static int publishers, subscribers, qos, payload_bytes;
static long total, window, topics;
static const char *filter = "bench/#";
static long published, acknowledged, delivered, duplicates;
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
  fprintf(stderr, "%s %d: %s after %ld published, %ld delivered\n", c->is_publisher ? "publisher" : "subscriber", c->index, what, published, delivered);
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
  int topic_len = sprintf(topic, "bench/t%ld", topics ? published % topics : c->index);
  size_t at = 0;
  packet[at++] = 0x30 | qos << 1;
  at += put_remaining_length(packet + at, 2 + topic_len + (qos ? 2 : 0) + payload_bytes);
  packet[at++] = topic_len >> 8;
  packet[at++] = topic_len;
  memcpy(packet + at, topic, topic_len);
  at += topic_len;
  if (qos) {
    if (++c->packet_id == 0) c->packet_id = 1;
    packet[at++] = c->packet_id >> 8;
    packet[at++] = c->packet_id;
  }
  memset(packet + at, 'x', payload_bytes);
  if (payload_bytes >= 8) {
    double t = now();
    memcpy(packet + at, &t, 8);
  }
  append(c, packet, at + payload_bytes);
  published++;
}

static void answer(Client *c, unsigned char type, const unsigned char *packet_id) {
  unsigned char packet[4] = {type, 2, packet_id[0], packet_id[1]};
  append(c, packet, 4);
}

static void subscribe(Client *c) {
  unsigned char packet[256] = {0x82};
  int len = strlen(filter);
  packet[1] = 5 + len;
  packet[3] = 1;
  packet[5] = len;
  memcpy(packet + 6, filter, len);
  packet[6 + len] = qos;
  append(c, packet, 7 + len);
}

static void on_publish(Client *c, unsigned char flags, const unsigned char *body) {
  int topic_len = body[0] << 8 | body[1];
  int its_qos = flags >> 1 & 3;
  const unsigned char *packet_id = body + 2 + topic_len;
  if (body[2] == '$') return;
  delivered++;
  if (flags & 8) duplicates++;
  if (payload_bytes >= 8 && latency_count < latency_cap) {
    double t;
    memcpy(&t, packet_id + (its_qos ? 2 : 0), 8);
    latencies[latency_count++] = now() - t;
  }
  if (its_qos == 1) answer(c, 0x40, packet_id);
  if (its_qos == 2) answer(c, 0x50, packet_id);
}

static void on_packet(Client *c, unsigned char first, const unsigned char *body) {
  switch (first >> 4) {
  case 2: /* CONNACK */
    if (body[1]) {
      fprintf(stderr, "refused with code %d\n", body[1]);
      exit(4);
    }
    c->state = CONNECTED;
    if (!c->is_publisher) subscribe(c);
    break;
  case 9: /* SUBACK */
    if (body[2] != qos) {
      fprintf(stderr, "subscribed at QoS %d, granted %d\n", qos, body[2]);
      exit(4);
    }
    c->state = SUBSCRIBED;
    break;
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
    on_packet(c, c->in[at], c->in + at + header);
    at += header + remaining;
  }
  memmove(c->in, c->in + at, c->in_len - at);
  c->in_len -= at;
  if (c->out_len > 0) flush(c);
}

static void turn(int timeout_ms) {
  struct epoll_event events[256];
  int n = epoll_wait(epoll_fd, events, 256, timeout_ms);
  for (int i = 0; i < n; i++) {
    Client *c = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) flush(c);
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
  }
}

static void connect_client(Client *c, int port) {
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) {
    perror("connect");
    exit(2);
  }
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);

  /* CONNECT: clean session, keep-alive 60 s. */
  char id[48];
  int id_len = sprintf(id, "mb%c%d-%d", c->is_publisher ? 'p' : 's', c->index, getpid());
  unsigned char head[14] = {0x10, 12 + id_len, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, id_len};
  append(c, head, 14);
  append(c, id, id_len);
  flush(c);
}

static void connect_all(int port) {
  int n = publishers + subscribers;
  clients = calloc(n, sizeof(Client));
  for (int i = 0; i < n; i++) {
    Client *c = clients + i;
    c->is_publisher = i >= subscribers;
    c->index = c->is_publisher ? i - subscribers : i;
    connect_client(c, port);
  }
  for (double start = now();;) {
    int ready = 1;
    for (int i = 0; i < n; i++) ready &= clients[i].state == (clients[i].is_publisher ? CONNECTED : SUBSCRIBED);
    if (ready) return;
    if (now() - start > 20) {
      fprintf(stderr, "not every client was connected and subscribed within 20 s\n");
      exit(2);
    }
    turn(50);
  }
}

static long outstanding(void) {
  long undelivered = subscribers ? published - delivered / subscribers : 0;
  long unacknowledged = qos ? published - acknowledged : 0;
  return undelivered > unacknowledged ? undelivered : unacknowledged;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(double p) { return latency_count ? latencies[(long)((latency_count - 1) * p)] * 1e3 : 0; }

int main(int argc, char **argv) {
  if (argc < 8) {
    fprintf(stderr, "mbench PORT PUBLISHERS SUBSCRIBERS QOS BYTES TOTAL_COUNT WINDOW [RATE] [FILTER] [TOPICS]\n");
    return 2;
  }
  int port = atoi(argv[1]);
  publishers = atoi(argv[2]);
  subscribers = atoi(argv[3]);
  qos = atoi(argv[4]);
  payload_bytes = atoi(argv[5]);
  total = atol(argv[6]);
  window = atol(argv[7]);
  double rate = argc > 8 ? atof(argv[8]) : 0;
  if (argc > 9) filter = argv[9];
  if (argc > 10) topics = atol(argv[10]);
  long wanted = total * subscribers;
  latency_cap = wanted < MAX_LATENCIES ? wanted : MAX_LATENCIES;
  latencies = malloc((latency_cap + 1) * sizeof(double));
  epoll_fd = epoll_create1(0);
  connect_all(port);
  usleep(300000); /* let the broker finish what the connections set off */

  double start = now(), last_progress = start;
  long seen = -1, next = 0;
  while (published < total || delivered < wanted || (qos && acknowledged < total)) {
    long room = rate > 0 ? (long)((now() - start) * rate) - published : window - outstanding();
    if (room > total - published) room = total - published;
    int any = room > 0;
    for (; room > 0; room--) {
      Client *c = clients + subscribers + next++ % publishers;
      publish(c);
      if (c->out_len - c->out_sent > READ_BYTES) flush(c);
    }
    for (int i = subscribers; any && i < subscribers + publishers; i++)
      if (clients[i].out_len > clients[i].out_sent) flush(clients + i);
    turn(rate > 0 || outstanding() < window ? 0 : 20);
    long progress = delivered + acknowledged + (wanted || qos ? 0 : published);
    if (progress != seen) {
      seen = progress;
      last_progress = now();
    } else if (now() - last_progress > STALL_SECONDS) {
      break;
    }
  }
  double seconds = (delivered < wanted ? last_progress : now()) - start;
  qsort(latencies, latency_count, sizeof(double), by_value);
  printf("{\"np\":%d,\"ns\":%d,\"qos\":%d,\"size\":%d,\"published\":%ld,\"acked\":%ld,\"delivered\":%ld,\"lost\":%ld,\"dups\":%ld,"
         "\"secs\":%.3f,\"pub_per_s\":%.0f,\"dlv_per_s\":%.0f,\"p50ms\":%.3f,\"p99ms\":%.3f}\n",
         publishers, subscribers, qos, payload_bytes, published, acknowledged, delivered, published * subscribers - delivered, duplicates, seconds,
         published / seconds, delivered / seconds, percentile(0.5), percentile(0.99));
  return 0;
}
