import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chart } from './chart.mjs';

const medians = {
  'alknet-tls': { a1_p50: 40, a256_rate: 200_000 },
  'ws-json': { a1_p50: 80, a256_rate: 100_000 },
  'a<b>&"c"': { a256_rate: 25_000 },
  floor: { a1_p50: 20, a256_rate: 400_000 },
};
const draw = (more) => chart({ medians, base: 'ws-json', ...more });

// The bars of a chart: what its title says, where it begins and how long it is.
const bars = (svg) => [...svg.matchAll(/<rect class="bar-(\w+)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="\d+"><title>(.*?)<\/title>/g)]
  .map(([, kind, x, width, title]) => ({ kind, x: Number(x), width: Number(width), title }));
const bar = (svg, start) => bars(svg).find((b) => b.title.startsWith(start));
const near = (a, b) => assert.ok(Math.abs(a - b) < 0.3, `${a} is not ${b}`);

/** Throws unless text is well-formed: every element closed in its order, no bare special character. */
function parse(text) {
  const open = [];
  let at = 0;
  for (const tag of text.matchAll(/<(\/?)(\w+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    const between = text.slice(at, tag.index);
    assert.doesNotMatch(between, /[<>]|&(?!(?:amp|lt|gt|quot);)/, 'text between elements');
    at = tag.index + tag[0].length;
    if (tag[1]) assert.equal(open.pop(), tag[2]);
    else if (!tag[4]) open.push(tag[2]);
  }
  assert.deepEqual(open, []);
  assert.equal(text.slice(at).trim(), '');
}

test('the chart is well-formed, whatever the names are', () => {
  parse(draw({ note: 'Linux <6> & "more"' }));
  assert.throws(() => parse('<g><path d="M1"></g>'));
  assert.throws(() => parse('<text>a & b</text>'));
});

test('twice and half as good are equally long, on either side of the base', () => {
  const svg = draw();
  const [twice, quarter, four] = ['alknet-tls: 200,000 calls/s', 'a&lt;b', 'floor: 400,000 calls/s'].map((s) => bar(svg, s));
  near(twice.x, four.x);
  near(four.width, 2 * twice.width);
  near(quarter.width, four.width);
  near(quarter.x + quarter.width, twice.x);
  assert.match(quarter.title, /0\.25×$/);
});

test('where less is better the ratio is turned round', () => {
  const svg = draw();
  assert.match(bar(svg, 'alknet-tls: 40 µs').title, /2\.00×$/);
  near(bar(svg, 'alknet-tls: 40 µs').width, bar(svg, 'alknet-tls: 200,000').width);
});

test('what was not measured has no bar and no panel, but a dash', () => {
  const svg = draw();
  assert.equal((svg.match(/class="title"/g) ?? []).length, 2, 'two of the rows were measured');
  assert.equal(bars(svg).length, 7);
  assert.match(svg, />–<\/text>\n<text class="end" x="\d+" y="\d+">–</);
});

test('a figure of zero is drawn, and nothing is drawn outside its place', () => {
  const svg = chart({ medians: { 'alknet-tls': { a256_loop99: 0 }, 'ws-json': { a256_loop99: 3 }, grpc: { a256_loop99: 3000 } }, base: 'ws-json' });
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  const width = Number(/viewBox="0 0 (\d+)/.exec(svg)[1]);
  assert.equal(bars(svg).length, 3);
  for (const b of bars(svg)) assert.ok(b.x >= 0 && b.x + b.width < width / 2, b.title);
});

test('kinds are told apart, and both colour schemes have colours', () => {
  const svg = draw();
  assert.deepEqual([...new Set(bars(svg).map((b) => b.kind))].sort(), ['floor', 'other', 'own']);
  assert.match(svg, /@media \(prefers-color-scheme: dark\) \{\n {4}\.page/);
});

test('the text alternative holds every ratio', () => {
  const words = 'a · 1 caller, 100 B, p50: alknet-tls 2.00×, ws-json 1.00×, floor 4.00×. a · 256 callers, 100 B: alknet-tls 2.00×, ws-json 1.00×, a<b>&"c" 0.25×, floor 4.00×.';
  assert.match(draw(), /role="img" aria-labelledby="title desc"/);
  assert.ok(draw().includes(`<desc id="desc">${words.replace('a<b>&"c"', 'a&lt;b&gt;&amp;&quot;c&quot;')}</desc>`));
});
