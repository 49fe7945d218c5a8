import type { LineView } from '../line-view.ts';

const MAX_TOPICS = 50_000;

/** Remembers of topics, as they are written in lines, whether they are wanted, so that most lines need no text. */
export class TopicMemo {
  readonly #isWanted: (topic: string) => boolean;
  #known = new Map<number, { written: Uint8Array; wanted: boolean }>();

  constructor(isWanted: (topic: string) => boolean) {
    this.#isWanted = isWanted;
  }

  isWanted(view: LineView): boolean {
    const known = this.#known.get(view.topicHash);
    if (known && view.hasTopicBytes(known.written)) return known.wanted;
    const wanted = this.#isWanted(view.topic());
    if (this.#known.size >= MAX_TOPICS) this.#known = new Map();
    this.#known.set(view.topicHash, { written: view.topicBytes(), wanted });
    return wanted;
  }
}
