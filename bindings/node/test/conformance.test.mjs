// The cases of conformance/, which the implementations in every language run.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { SecretResolver } from 'modelmesh';

import { file } from './fixture.mjs';

// The grammar is no part of what the package exports.
const { native } = createRequire(import.meta.url)('../dist/native.js');
const cases = casesOf('references');

function casesOf(name) {
  return JSON.parse(readFileSync(new URL(`../../../conformance/${name}.json`, import.meta.url), 'utf8'));
}

/** A test of every case of a section. */
function section(name, judge) {
  test(`${name}: every case`, () => {
    assert.ok(cases[name].length > 0);
    for (const one of cases[name]) judge(one, JSON.stringify(one));
  });
}

test('every section of the cases is run here', () => {
  assert.deepEqual(Object.keys(cases), ['about', 'pieces', 'names', 'written', 'fields', 'durations', 'naming', 'listed']);
});

section('pieces', ({ text, pieces }, about) => {
  const found = [];
  for (const { literal, error, ...parts } of native.grammarScan(text)) {
    if (literal === undefined) found.push(error === undefined ? { reference: parts } : { error });
    else if (found.at(-1)?.literal === undefined) found.push({ literal });
    else found.at(-1).literal += literal;
  }
  assert.deepEqual(found, pieces, about);
});

section('names', ({ name, valid }, about) => assert.equal(native.grammarIsName(name), valid, about));

section('written', ({ name, reference }, about) => {
  assert.equal(native.grammarReference(name), reference, about);
  assert.equal(native.grammarScan(reference)[0].name, name, about);
});

section('fields', ({ document, field, value, error }, about) => {
  const expected = error === undefined ? { text: value } : { error };
  assert.deepEqual({ ...native.grammarField(document, field) }, expected, about);
});

section('durations', ({ text, milliseconds }, about) => assert.equal(native.grammarDuration(text), milliseconds, about));

section('naming', ({ prefix, naming, logical, backend, canonical, error }, about) => {
  assert.deepEqual(native.grammarBackendName(prefix, naming, logical), error ?? [backend, canonical ?? logical], about);
});

section('listed', ({ prefix, naming, backend, logical }, about) => {
  assert.equal(native.grammarLogicalName(prefix, naming, backend), logical, about);
});

test('configurations: every case', async (t) => {
  const { secrets, resolved: configurations } = casesOf('configurations');
  const config = JSON.stringify({ secrets: { store: 'modelmesh.memory-secrets.v1', secrets } });
  const resolver = SecretResolver.fromConfig(file(t, 'm.json', config));
  for (const { about, given, resolved, error } of configurations) {
    const before = JSON.stringify(given);
    if (error === undefined) {
      assert.deepEqual(resolver.resolveAll(given), resolved, about);
      assert.deepEqual(await resolver.resolveAllAsync(given), resolved, about);
    } else {
      assert.throws(() => resolver.resolveAll(given), { kind: error }, before);
      await assert.rejects(resolver.resolveAllAsync(given), { kind: error }, before);
    }
    assert.equal(JSON.stringify(given), before, 'what was given is not touched');
  }
});
