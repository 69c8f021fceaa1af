// Makes build/{{name}}.wasm of policy.js and the JavaScript engine that comes with componentize-js.
import { mkdir, writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'policy.js',
  witPath: 'wit',
  worldName: 'policy',
  // Without this it imports WASI, and no server takes it: a policy has no clock, no chance, no files, no network.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await mkdir('build', { recursive: true });
await writeFile('build/{{name}}.wasm', component);
console.log(`build/{{name}}.wasm: ${component.length} octets`);
