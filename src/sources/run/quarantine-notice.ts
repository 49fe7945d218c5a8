import type { Client } from '../../client/client.ts';
import type { Log } from '../../core/log.ts';

/** Says once how what the bus refuses for good comes back: at the start of what is there from before, and with the first event of this process. */
export function noticeQuarantine(client: Client, outbox: string, log: Log): void {
  const fix = `Mend why the bus refuses them (the account, the topic, the size), then \`hydrant outbox retry --all --outbox ${outbox}\`; \`hydrant outbox ls --outbox ${outbox}\` shows them.`;
  const { quarantined } = client.metrics();
  if (quarantined > 0) log('warn', 'events are set aside from before', { events: quarantined, fix });
  const off = client.on('quarantined', () => {
    off();
    log('error', 'the bus refuses events for good; they are kept', { fix });
  });
}
