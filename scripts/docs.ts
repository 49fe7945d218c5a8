import { writeFileSync } from 'node:fs';
import { cliPage } from '../src/cli/reference-page.ts';
import { clientPage } from './client-page.ts';
import { configPage } from './config-page.ts';
import { conformancePage } from './conformance-page.ts';
import { errorsPage } from './errors-page.ts';
import { eventsPage } from './events-page.ts';
import { sourcesPage } from './sources-page.ts';

// Writes the generated pages of docs/.
writeFileSync(new URL('../docs/reference/errors.md', import.meta.url), errorsPage());
writeFileSync(new URL('../docs/reference/cli.md', import.meta.url), await cliPage());
writeFileSync(new URL('../docs/reference/config.md', import.meta.url), configPage());
writeFileSync(new URL('../docs/reference/mqtt-conformance.md', import.meta.url), conformancePage());
writeFileSync(new URL('../docs/reference/client.md', import.meta.url), clientPage());
writeFileSync(new URL('../docs/reference/sources.md', import.meta.url), sourcesPage());
writeFileSync(new URL('../docs/reference/events.md', import.meta.url), eventsPage());
