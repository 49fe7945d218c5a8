import type { SourceKind } from '../source.ts';
import { OPTIONS, type WebhookOptions } from './options.ts';
import { SCHEMAS } from './schemas.ts';

/** HTTP in: what a sender posts is on disk before it is told so, and published byte for byte. */
export const webhook: SourceKind<WebhookOptions> = {
  name: 'webhook',
  summary: 'webhooks: what GitHub, GitLab, Gerrit, Launchpad, Alertmanager and others post',
  options: OPTIONS,
  schemas: SCHEMAS,
  examples: [
    ['--preset github --secret-file github.secret --listen 0.0.0.0:8099', 'the events of GitHub, on github/OWNER/REPOSITORY/EVENT'],
    ['--preset generic --secret-file token --topic builds/{job.name}', 'whatever posts JSON with Authorization: Bearer TOKEN'],
  ],
  whenFull: 'reject',
  async open(options, context) {
    const { WebhookSource } = await import('./webhook-source.ts');
    return new WebhookSource(options, context);
  },
};
