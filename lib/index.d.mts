export * from './index.js';
import * as alknet from './index.js';
export default alknet;
