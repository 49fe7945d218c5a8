import { writeFileSync } from 'node:fs';
import { errorsPage } from './errors-page.ts';

// Writes the generated pages of docs/.
writeFileSync(new URL('../docs/reference/errors.md', import.meta.url), errorsPage());
