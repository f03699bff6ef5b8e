// The platforms that packages are made for. `addon`: with the native addon too;
// elsewhere a package holds the binary only, and the process engine uses that.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

export const platforms = [
  { name: 'linux-x64', os: 'linux', cpu: 'x64', libc: 'glibc', addon: true },
  { name: 'linux-arm64', os: 'linux', cpu: 'arm64', libc: 'glibc', addon: true },
  // musl cannot load a Go archive. The binary is static, the same as for glibc.
  { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  { name: 'linux-arm64-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  { name: 'darwin-x64', os: 'darwin', cpu: 'x64' },
  { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64' },
  { name: 'win32-x64', os: 'win32', cpu: 'x64' },
  { name: 'win32-arm64', os: 'win32', cpu: 'arm64' },
];

export const packageName = ({ name }) => `@alkdev/alknet-${name}`;
export const binaryName = ({ os }) => (os === 'win32' ? 'alknet.exe' : 'alknet');

/** Where `make` puts a platform's binary and addon. */
export function built({ os, cpu }) {
  if (os === process.platform && cpu === process.arch) return { binary: path.join(root, 'bin', binaryName({ os })), addon: path.join(root, 'build', 'Release', 'alknet.node') };
  const folder = path.join(root, 'build', 'platforms', `${os}-${cpu}`);
  return { binary: path.join(folder, binaryName({ os })), addon: path.join(folder, 'build', 'Release', 'alknet.node') };
}

const shared = { version: manifest.version, license: manifest.license, repository: manifest.repository, engines: manifest.engines };
const documents = ['LICENSE-MIT', 'LICENSE-APACHE', 'NOTICES.txt'];

/** The package.json of a platform's package. */
export function platformManifest(platform) {
  const { os, cpu, libc, addon } = platform;
  return {
    name: packageName(platform), ...shared,
    description: addon ? `The native addon and the binary of alknet for ${platform.name}` : `The binary of alknet for ${platform.name}`,
    ...(addon && { main: 'alknet.node' }),
    files: [...(addon ? ['alknet.node'] : []), `bin/${binaryName(platform)}`, ...documents],
    os: [os], cpu: [cpu], ...(libc && { libc: [libc] }),
    gypfile: false, preferUnplugged: true,
  };
}

/** The package.json of the package `alknet` as published: without scripts, with every platform as an optional dependency. */
export function mainManifest() {
  const { devDependencies, scripts, ...published } = manifest;
  return { ...published, optionalDependencies: Object.fromEntries(platforms.map((platform) => [packageName(platform), manifest.version])) };
}
