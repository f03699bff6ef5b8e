// What `make lint` holds the JavaScript to: everything that ESLint recommends, and
// what has cost us time before. Its packages are in .ci/tools.
import { createRequire } from 'node:module';

const require = createRequire(new URL('.ci/tools/package.json', import.meta.url));
const js = require('@eslint/js');
const globals = require('globals');

export default [
  { ignores: ['build/', 'bench/node_modules/', '**/gen/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, globals: globals.node },
    rules: {
      'no-unused-vars': ['error', { ignoreRestSiblings: true, argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      'no-empty': ['error', { allowEmptyCatch: true }], // what is ignored on purpose
      eqeqeq: 'error',
      'prefer-const': 'error',
      'no-implicit-globals': 'error',
      'no-console': 'off',
      'no-control-regex': 'off', // bytes are what we look for
    },
  },
  { files: ['**/*.js'], languageOptions: { sourceType: 'commonjs' } },
  // Handlers that misbehave on purpose.
  { files: ['test/**'], rules: { 'no-unsafe-finally': 'off' } },
  // A library does not print.
  { files: ['lib/**'], rules: { 'no-console': 'error' } },
];
