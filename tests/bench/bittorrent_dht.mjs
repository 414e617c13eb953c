// A bittorrent-dht node on a free port of 127.0.0.1, which it prints. Argument: the folder with node_modules.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const { default: DHT } = await import(pathToFileURL(join(process.argv[2], 'node_modules/bittorrent-dht/index.js')))

const dht = new DHT({ bootstrap: false, maxTables: 2000000, maxAge: 3600000 })
dht.listen(0, '127.0.0.1', () => console.log(dht.address().port))
