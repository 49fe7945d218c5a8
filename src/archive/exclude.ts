import { HydrantError } from '../core/errors.ts';
import { filterFault, matchFilter } from '../wire/topic.ts';

/** Events that the archive leaves out. */
export interface ExcludeOptions {
  /** MQTT topic filters. */
  filters?: readonly string[];
  /** Regular expressions that are searched for in the topic. An empty one excludes nothing. */
  regex?: readonly string[];
}

/** Gives the test for one topic, or undefined when nothing is excluded. @throws HYD_CONFIG naming the filter or regular expression at fault */
export function compileExclude(options: ExcludeOptions): ((topic: string) => boolean) | undefined {
  const filters = options.filters ?? [];
  for (const filter of filters) {
    const fault = filterFault(filter);
    if (fault) throw new HydrantError('HYD_CONFIG', `archive.exclude.filters: ${JSON.stringify(filter)}: ${fault}`);
  }
  const patterns = (options.regex ?? []).filter((source) => source !== '').map(compileRegex);
  if (filters.length === 0 && patterns.length === 0) return undefined;
  return (topic) => filters.some((filter) => matchFilter(filter, topic)) || patterns.some((pattern) => pattern.test(topic));
}

function compileRegex(source: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch (cause) {
    throw new HydrantError(
      'HYD_CONFIG',
      `archive.exclude.regex: ${JSON.stringify(source)} is not a regular expression: ${(cause as Error).message}`,
      { cause },
    );
  }
}
