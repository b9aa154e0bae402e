/**
 * @internal The texts of a configuration that may hold references, and how to make a new configuration of them.
 *
 * Lists and plain objects are copied at any depth; everything else is passed on as it is. Keys are not resolved.
 */
export class Template {
  readonly texts: string[] = [];
  readonly #build: (texts: readonly string[]) => unknown;

  constructor(config: unknown) {
    this.#build = this.#read(config, new Set());
  }

  /** The configuration with these texts in place of its own. */
  filled(texts: readonly string[]): unknown {
    return this.#build(texts);
  }

  #read(node: unknown, above: Set<object>): (texts: readonly string[]) => unknown {
    if (typeof node === 'string') {
      if (!node.includes('${')) return () => node;
      const at = this.texts.push(node) - 1;
      return (texts) => texts[at];
    }
    if (!isContainer(node)) return () => node;
    if (above.has(node)) throw new TypeError('the configuration holds itself');
    above.add(node);
    const entries = Object.entries(node).map(([key, value]) => [key, this.#read(value, above)] as const);
    above.delete(node);
    if (Array.isArray(node)) return (texts) => entries.map(([, build]) => build(texts));
    // Entries are defined, not assigned: '__proto__' is a key like any other.
    return (texts) => Object.fromEntries(entries.map(([key, build]) => [key, build(texts)]));
  }
}

function isContainer(node: unknown): node is object {
  if (typeof node !== 'object' || node === null) return false;
  if (Array.isArray(node)) return true;
  const prototype: unknown = Object.getPrototypeOf(node);
  return prototype === Object.prototype || prototype === null;
}
