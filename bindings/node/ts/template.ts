/** The section in which stores are configured. */
const SECRETS = 'secrets';

/**
 * @internal The texts of a configuration that may hold references, and how to make a new configuration of them.
 *
 * Lists and plain objects are copied at any depth; everything else is passed on as it is, and so is the section
 * `secrets`. Keys are not resolved.
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
    const build = Array.isArray(node) ? this.#list(node, above) : this.#mapping(node, above);
    above.delete(node);
    return build;
  }

  #list(list: unknown[], above: Set<object>): (texts: readonly string[]) => unknown {
    // With empty places, so that each item keeps its own.
    const items = Array.from(list, (item) => this.#read(item, above));
    return (texts) => items.map((build) => build(texts));
  }

  #mapping(mapping: object, above: Set<object>): (texts: readonly string[]) => unknown {
    const isWhole = above.size === 1;
    const entries = Object.entries(mapping).map(([key, value]) => {
      return [key, isWhole && key === SECRETS ? () => value as unknown : this.#read(value, above)] as const;
    });
    // Entries are defined, not assigned: '__proto__' is a key like any other.
    return (texts) => Object.fromEntries(entries.map(([key, build]) => [key, build(texts)]));
  }
}

function isContainer(node: unknown): node is object {
  if (typeof node !== 'object' || node === null) return false;
  if (Array.isArray(node)) return true;
  const prototype: unknown = Object.getPrototypeOf(node);
  // One of another realm, such as a test runner's sandbox, has that realm's 'Object.prototype'.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
