import { InvalidArgumentError } from 'commander';
import { filterFault, topicFault } from '../../wire/topic.ts';

/** `FILTER=TOPIC`: what matches the filter goes to the topic, in which `$1`, `$2`, … stand for what its wildcards matched. */
export interface Rewrite {
  filter: string;
  topic: string;
}

/** Reads a repeatable `--rewrite`. */
export function parseRewrite(text: string, before: Rewrite[] = []): Rewrite[] {
  const at = text.indexOf('=');
  const [filter, topic] = [text.slice(0, at), text.slice(at + 1)];
  const fault = at < 1 ? 'it has no =' : (filterFault(filter) ?? topicFault(topic.replace(PLACE, '$1x')) ?? placeFault(filter, topic));
  if (fault) throw new InvalidArgumentError(`Give FILTER=TOPIC, such as 'plant/+/temp=lab/$1/t' or 'plant/#=copy/$1': ${fault}.`);
  return [...before, { filter, topic }];
}

/** The topic that an event gets: by the first rule whose filter matches, else its own. */
export function createRewriter(rules: readonly Rewrite[]): (topic: string) => string {
  const compiled = rules.map(({ filter, topic }) => ({ pattern: patternOf(filter), topic }));
  return (topic) => {
    for (const rule of compiled) {
      const match = rule.pattern.exec(topic);
      if (match) return rule.topic.replace(PLACE, (_, slash: string, number: string) => placed(slash, match[Number(number)]));
    }
    return topic;
  };
}

const PLACE = /(\/?)\$([1-9])/g;

/** Where `a/#` has matched `a` there is nothing to place, and no slash before it. */
function placed(slash: string, text: string | undefined): string {
  return text === undefined ? '' : slash + text;
}

function placeFault(filter: string, topic: string): string | undefined {
  const wildcards = filter.match(/[+#]/g)?.length ?? 0;
  const missing = [...topic.matchAll(PLACE)].map(([, , number]) => Number(number)).find((number) => number > wildcards);
  return missing === undefined ? undefined : `$${missing} stands for a wildcard, and there are ${wildcards}`;
}

/** The same rules as a subscription: `a/#` matches `a` too, and a wildcard in front no topic that begins with `$` [MQTT-4.7.2-1]. */
function patternOf(filter: string): RegExp {
  const levels = filter.split('/').map((level) => (level === '+' ? '([^/]*)' : level.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')));
  const guard = /^[+#]/.test(filter) ? '(?!\\$)' : '';
  if (levels.at(-1) !== '#') return new RegExp(`^${guard}${levels.join('/')}$`, 'su');
  const before = levels.slice(0, -1).join('/');
  return new RegExp(before === '' && levels.length === 1 ? `^${guard}(.*)$` : `^${guard}${before}(?:/(.*))?$`, 'su');
}
