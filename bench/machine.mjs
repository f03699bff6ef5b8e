// The machine that a run is made on: what it is, how busy it was, and which versions were measured.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';

const read = (name) => { try { return fs.readFileSync(name, 'utf8'); } catch { return ''; } };

/**
 * A halted virtual CPU takes 50 µs and more to wake up, or none when it happens to be polling: with few callers that
 * lottery is most of the latency. While this file is held open with a zero in it, the CPUs do not halt. Needs root;
 * returns whether it worked. It holds until the process ends.
 */
export function keepAwake() {
  try {
    fs.writeSync(fs.openSync('/dev/cpu_dma_latency', 'w'), new Uint8Array(4));
    return true;
  } catch { return false; }
}

/** Starts to watch; the function that it returns tells the share of time that was stolen since, in percent, and the load then and now. */
export function watch() {
  const ticks = () => read('/proc/stat').split('\n')[0].trim().split(/\s+/).slice(1, 9).map(Number);
  const before = ticks(), load = os.loadavg()[0];
  return () => {
    const passed = ticks().map((v, i) => v - before[i]);
    return { steal: 100 * passed[7] / passed.reduce((a, b) => a + b), load: [load, os.loadavg()[0]] };
  };
}

/** The machine in one line. */
export function describe() {
  const cpuinfo = read('/proc/cpuinfo');
  const cache = read('/sys/devices/system/cpu/cpu0/cache/index3/size').trim().replace(/^(\d+)K$/, (_, k) => `${k / 1024} MiB`);
  const system = /^PRETTY_NAME="(.*)"$/m.exec(read('/etc/os-release'))?.[1] ?? 'Linux';
  return [
    `${os.cpus().length} × ${os.cpus()[0].model.trim()}${/^flags.*\bhypervisor\b/m.test(cpuinfo) ? ' (virtual)' : ''}${cache ? `, ${cache} of L3` : ''}`,
    `${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`, `Linux ${os.release()}`, system, `Node.js ${process.versions.node}`,
  ].join('; ');
}

/** The versions of packages: npm's as installed, Go's as linked into benchd, which begins with Go's own. */
export function versions(names) {
  const linked = execFileSync('go', ['version', '-m', new URL('../build/benchd', import.meta.url).pathname], { encoding: 'utf8' });
  const go = /: go(\S+)/.exec(linked)[1];
  return { go, ...Object.fromEntries(names.map((name) => [name, version(name)])) };

  function version(name) {
    if (name === 'alknet') return JSON.parse(read(new URL('../package.json', import.meta.url))).version;
    const module = linked.split('\n').map((line) => line.trim().split(/\s+/)).find(([what, path]) => what === 'dep' && path === name);
    if (module) return module[2];
    const text = read(new URL(`node_modules/${name}/package.json`, import.meta.url));
    return text ? JSON.parse(text).version : 'not installed';
  }
}
