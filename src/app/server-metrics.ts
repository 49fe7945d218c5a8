import type { Sealer } from '../archive/seal/sealer.ts';
import type { Upkeep } from '../archive/upkeep/upkeep.ts';
import type { Uploader } from '../archive/upload/uploader.ts';
import type { Broker } from '../broker/broker.ts';
import type { HttpServer } from '../http/http-server.ts';
import type { Sample } from '../http/metrics.ts';
import type { Journal } from '../journal/journal.ts';
import type { Archive } from './open-archive.ts';
import type { TlsDoors } from './tls-doors.ts';

/** The parts whose numbers are published. */
export interface MeasuredParts {
  journal: Journal;
  broker: Broker;
  archive: Pick<Archive, 'sealer' | 'uploader' | 'upkeep'>;
  http: Pick<HttpServer, 'streams'>;
  tls: Pick<TlsDoors, 'failures' | 'expiresAtMs'> | undefined;
}

type Reasons = Record<string, number>;

/** What /metrics says of a server, read at this moment. */
export function serverSamples({ journal, broker, archive, http, tls }: MeasuredParts): Sample[] {
  return [
    ...brokerSamples(broker),
    ...storedSamples(journal, archive),
    gauge('hydrant_http_event_streams', 'Event streams open over HTTP.', http.streams),
    ...(tls ? tlsSamples(tls) : []),
  ];
}

/** Of journal and archive, whoever writes there. */
export function storedSamples(journal: Journal, { sealer, uploader, upkeep }: MeasuredParts['archive']): Sample[] {
  return [
    ...journalSamples(journal),
    ...(sealer ? archiveSamples(sealer) : []),
    ...(sealer && upkeep ? upkeepSamples(upkeep, sealer) : []),
    ...(uploader ? uploadSamples(uploader) : []),
  ];
}

function brokerSamples(broker: Broker): Sample[] {
  const stats = broker.stats();
  return [
    gauge('hydrant_connections', 'MQTT connections open, websockets included.', stats.connections),
    gauge('hydrant_clients_connected', 'Clients connected.', stats.connected),
    gauge('hydrant_clients_connected_max', 'The most clients that were ever connected at once.', stats.connectedMax),
    gauge('hydrant_sessions', 'Sessions, absent clients and roles of the server included.', stats.sessions),
    gauge('hydrant_sessions_absent', 'Sessions of absent clients.', stats.disconnected),
    counter('hydrant_sessions_expired_total', 'Sessions of absent clients that have expired.', stats.sessionsExpired),
    gauge('hydrant_subscriptions', 'Subscriptions of all sessions, but for those to $share groups.', stats.subscriptions),
    gauge('hydrant_shared_subscriptions', 'Subscriptions of members of $share groups.', stats.sharedSubscriptions),
    gauge('hydrant_retained', 'Retained messages.', stats.retained),
    counter('hydrant_connections_total', 'MQTT connections accepted.', stats.connectionsTotal),
    counter('hydrant_connects_total', 'CONNECT packets, refused ones included.', stats.connectsTotal),
    counter('hydrant_packets_in_total', 'MQTT packets received.', stats.packetsIn),
    counter('hydrant_packets_out_total', 'MQTT packets sent.', stats.packetsOut),
    counter('hydrant_bytes_in_total', 'Bytes of MQTT received.', stats.bytesIn),
    counter('hydrant_bytes_out_total', 'Bytes of MQTT sent.', stats.bytesOut),
    counter('hydrant_messages_in_total', 'Messages published by clients and over HTTP.', stats.messagesIn),
    counter('hydrant_messages_out_total', 'Messages sent to subscribers.', stats.messagesOut),
    counter('hydrant_payload_bytes_in_total', 'Bytes of their payloads.', stats.payloadBytesIn),
    counter('hydrant_payload_bytes_out_total', 'Bytes of payloads sent to subscribers.', stats.payloadBytesOut),
    counter('hydrant_own_events_total', 'Events that the server made about clients.', stats.ownEvents),
    counter('hydrant_unjournalled_total', 'Messages that went out without being journalled.', stats.unjournalled),
    counter('hydrant_gap_events_total', 'Events that an absent client should have got and that are no longer kept.', stats.gapEvents),
    reasons('hydrant_dropped_total', 'Messages not delivered, by reason.', stats.dropped),
    reasons('hydrant_refused_total', 'Publishes, subscriptions and logins refused, by reason.', stats.refused),
    reasons('hydrant_faults_total', 'Connections closed for a fault of the peer, by reason.', stats.faults),
  ];
}

function journalSamples(journal: Journal): Sample[] {
  const { bytes, segments, commits, damaged, indexBytes } = journal.counters;
  return [
    gauge('hydrant_journal_head', 'Highest sequence on disk.', journal.head),
    gauge('hydrant_journal_bytes', 'Bytes of all segments.', bytes),
    gauge('hydrant_journal_segments', 'Segments.', segments),
    gauge('hydrant_journal_pending_bytes', 'Bytes that wait for the disk.', journal.pendingBytes),
    gauge('hydrant_journal_index_bytes', 'Memory of the segment indexes.', indexBytes),
    gauge('hydrant_journal_writable', '1 while the journal can be written.', journal.state === 'ok' ? 1 : 0),
    counter('hydrant_journal_commits_total', 'Group commits, each one fdatasync.', commits),
    counter('hydrant_journal_damaged_total', 'Damaged lines found and skipped.', damaged),
  ];
}

function archiveSamples(sealer: Sealer): Sample[] {
  const seen = sealer.statistics;
  return [
    gauge('hydrant_archive_pending_segments', 'Closed segments that wait to be sealed.', seen.pending),
    counter('hydrant_archive_segments_total', 'Segments sealed.', seen.segments),
    counter('hydrant_archive_events_total', 'Events sealed.', seen.events),
    counter('hydrant_archive_excluded_total', 'Events left out by archive.exclude.', seen.excluded),
    counter('hydrant_archive_raw_bytes_total', 'Bytes sealed, before compression.', seen.rawBytes),
    counter('hydrant_archive_bytes_total', 'Bytes sealed, compressed.', seen.bytes),
    counter('hydrant_archive_failures_total', 'Failed tries to seal or store.', seen.failures),
  ];
}

function upkeepSamples(upkeep: Upkeep, sealer: Sealer): Sample[] {
  const seen = upkeep.statistics;
  const quarantined = seen.quarantined + sealer.statistics.quarantined;
  return [
    gauge('hydrant_archive_quarantined', 'Objects put aside because their place held something else.', quarantined),
    counter('hydrant_archive_compacted_total', 'Objects that were put together of others.', seen.compacted),
    counter('hydrant_archive_compacted_parts_total', 'Objects that they were put together of.', seen.compactedParts),
    counter('hydrant_archive_removed_total', 'Objects removed by retention.', seen.removed),
    counter('hydrant_archive_removed_bytes_total', 'Bytes removed by retention.', seen.removedBytes),
    counter('hydrant_archive_upkeep_failures_total', 'Failed tries to put hours together or to remove what is old.', seen.failures),
  ];
}

function uploadSamples(uploader: Uploader): Sample[] {
  const seen = uploader.statistics;
  return [
    gauge('hydrant_upload_pending_objects', 'Archive objects that wait to be uploaded.', seen.pending),
    gauge('hydrant_upload_pending_bytes', 'Their bytes, on the disk of the data folder.', seen.pendingBytes),
    gauge('hydrant_upload_oldest_pending_seconds', 'Age of the oldest of them since it was sealed.', seen.oldestPendingMs / 1000),
    gauge('hydrant_upload_conflicts', 'Archive objects that stay here because other content holds their place.', seen.conflicts),
    counter('hydrant_upload_objects_total', 'Archive objects uploaded and seen there.', seen.uploaded),
    counter('hydrant_upload_bytes_total', 'Bytes uploaded.', seen.uploadedBytes),
    counter('hydrant_upload_failures_total', 'Failed tries to upload.', seen.failures),
    counter('hydrant_upload_removed_total', 'Archive objects removed here after they were uploaded.', seen.removed),
  ];
}

function tlsSamples({ failures, expiresAtMs }: NonNullable<MeasuredParts['tls']>): Sample[] {
  return [
    gauge(
      'hydrant_tls_certificate_expires_seconds',
      'When the server certificate ends, seconds since 1970.',
      Math.floor(expiresAtMs / 1000),
    ),
    reasons('hydrant_tls_failures_total', 'TLS handshakes that failed, by reason.', failures),
  ];
}

export function gauge(name: string, help: string, value: number): Sample {
  return { name, help, type: 'gauge', value };
}

export function counter(name: string, help: string, value: number): Sample {
  return { name, help, type: 'counter', value };
}

function reasons(name: string, help: string, values: Reasons): Sample {
  return { name, help, type: 'counter', value: { label: 'reason', values } };
}
