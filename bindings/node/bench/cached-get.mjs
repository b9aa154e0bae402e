// A cached `get` beside that of the same class in plain JavaScript: a Map, and a TTL that is compared with the clock.
// The two take turns in one process, on the same names. `npm run bench`
import { BaseSecretStore } from 'modelmesh';

class PlainStore {
  #secrets;
  #cache = new Map();

  constructor(secrets) {
    this.#secrets = secrets;
  }

  get(name) {
    const cached = this.#cache.get(name);
    if (cached !== undefined) {
      if (Date.now() < cached.expiresAt) return cached.value;
      this.#cache.delete(name);
    }
    const value = this.#secrets[name];
    if (value === undefined) throw new Error(`Secret not found: ${name}`);
    this.#cache.set(name, { value, expiresAt: Date.now() + 300_000 });
    return value;
  }
}

const CALLS = 2_000_000;
const ROUNDS = 15;
const names = Array.from({ length: 16 }, (_, at) => `provider-${at}-api-key`);
const secrets = Object.fromEntries(names.map((name) => [name, `sk-${name}`]));
const ours = new BaseSecretStore({ secrets });
const plain = new PlainStore(secrets);

// Two loops, so that each is compiled for the one class that it sees.
function readOurs() {
  let length = 0;
  for (let call = 0; call < CALLS; call += 1) length += ours.get(names[call & 15]).length;
  return length;
}

function readPlain() {
  let length = 0;
  for (let call = 0; call < CALLS; call += 1) length += plain.get(names[call & 15]).length;
  return length;
}

/** Nanoseconds of a call. */
function time(read) {
  const start = process.hrtime.bigint();
  read();
  return Number(process.hrtime.bigint() - start) / CALLS;
}

function median(figures) {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1];
}

if (readOurs() !== readPlain()) throw new Error('the two do not read the same');
const figures = { ours: [], plain: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  figures.ours.push(time(readOurs));
  figures.plain.push(time(readPlain));
}
const [ourTime, plainTime] = [median(figures.ours), median(figures.plain)];
console.log(`Node ${process.version}, ${CALLS} calls a round, median of ${ROUNDS} rounds`);
console.log(`modelmesh           ${ourTime.toFixed(1)} ns`);
console.log(`Map with TTL check  ${plainTime.toFixed(1)} ns`);
console.log(`ratio               ${(ourTime / plainTime).toFixed(2)}`);
