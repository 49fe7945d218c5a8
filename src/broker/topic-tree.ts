interface Node<Value> {
  children: Map<string, Node<Value>> | undefined;
  value: Value | undefined;
}

/** Values by topic, found by filter: a wildcard costs the topics that it matches, not those there are. */
export class TopicTree<Value extends object> {
  readonly #root: Node<Value> = { children: undefined, value: undefined };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(topic: string): Value | undefined {
    let node: Node<Value> | undefined = this.#root;
    for (const level of topic.split('/')) node = node?.children?.get(level);
    return node?.value;
  }

  set(topic: string, value: Value): void {
    let node = this.#root;
    for (const level of topic.split('/')) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (!child) {
        child = { children: undefined, value: undefined };
        node.children.set(level, child);
      }
      node = child;
    }
    if (node.value === undefined) this.#size++;
    node.value = value;
  }

  /** False when there was none. */
  delete(topic: string): boolean {
    const levels = topic.split('/');
    const path = [this.#root];
    for (const level of levels) {
      const next = path.at(-1)!.children?.get(level);
      if (!next) return false;
      path.push(next);
    }
    if (path.at(-1)!.value === undefined) return false;
    path.at(-1)!.value = undefined;
    this.#size--;
    for (let depth = levels.length; depth > 0; depth--) {
      const { children, value } = path[depth]!;
      if (value !== undefined || (children && children.size > 0)) break;
      path[depth - 1]!.children!.delete(levels[depth - 1]!);
    }
    return true;
  }

  /** Those whose topic matches, in no order. MQTT 3.1.1 §4.7. */
  *match(filter: string): Generator<Value> {
    yield* walk(this.#root, filter.split('/'), 0);
  }

  *values(): Generator<Value> {
    yield* below(this.#root, false);
  }
}

function* walk<Value>(node: Node<Value>, levels: string[], depth: number): Generator<Value> {
  const level = levels[depth];
  if (level === undefined) {
    if (node.value !== undefined) yield node.value;
  } else if (level === '#') yield* below(node, depth === 0);
  else if (level === '+') {
    for (const [name, child] of node.children ?? []) if (depth > 0 || !name.startsWith('$')) yield* walk(child, levels, depth + 1);
  } else {
    const child = node.children?.get(level);
    if (child) yield* walk(child, levels, depth + 1);
  }
}

/** @param plain leave out what begins with `$` [MQTT-4.7.2-1] */
function* below<Value>(node: Node<Value>, plain: boolean): Generator<Value> {
  if (node.value !== undefined) yield node.value;
  for (const [name, child] of node.children ?? []) if (!plain || !name.startsWith('$')) yield* below(child, false);
}
