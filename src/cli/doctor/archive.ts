import { formatSize } from '../../core/units.ts';
import { archiveFiles } from '../backup/files.ts';
import { type Finding, ok } from './check.ts';

/** What is sealed. Whether it is whole is the business of `hydrant archive verify`, which reads all of it. */
export async function checkArchive(dataDir: string, to: string | undefined): Promise<Finding[]> {
  const files = await archiveFiles(dataDir);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const findings = [
    ok(
      'archive',
      files.length === 0
        ? 'nothing is sealed yet'
        : `${files.length} files, ${formatSize(bytes)}; \`hydrant archive verify\` reads them all`,
    ),
  ];
  if (to?.startsWith('s3:')) findings.push(ok('archive.to', `${to}; \`hydrant doctor s3\` tries what is done there`));
  return findings;
}
