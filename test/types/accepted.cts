// What must compile, as a CommonJS module.
import alknet = require('alknet');

async function main(): Promise<void> {
  const connection: alknet.Connection = await alknet.connect('alknet://host', { token: 'x' });
  await connection.close();
}
void main;
