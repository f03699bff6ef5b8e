package secret_test

import (
	"encoding/json"
	"fmt"

	"github.com/alkdev/alknet/go/secret"
)

func ExampleStore() {
	store := secret.NewStore(secret.Options{NotExportable: true})
	defer store.Close()

	// From a prompt or a file, never from an argument. Unlock wipes it.
	mnemonic := []byte("test test test test test test test test test test test junk")
	if err := store.Unlock(mnemonic, nil); err != nil {
		fmt.Println(err)
		return
	}
	account, err := store.Derive(secret.EthereumPath(0), secret.Secp256k1)
	if err != nil {
		fmt.Println(err)
		return
	}
	address, _ := account.EthereumAddress()
	signature, _ := account.SignEthereumMessage([]byte("hello"))
	fmt.Println(address, signature.RecoveryID())

	_, err = account.ExportPrivateKey()
	fmt.Println(err)
	store.Lock()
	_, err = account.Sign(make([]byte, 32))
	fmt.Println(err)
	// Output:
	// 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 1
	// NOT_EXPORTABLE: the store does not export private keys
	// LOCKED: the store is locked: unlock it first
}

func ExampleStore_Rotate() {
	store := secret.NewStore(secret.Options{})
	defer store.Close()
	mnemonic, err := store.Create(24, secret.English, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	clear(mnemonic) // after its owner has written it down

	sealed, _ := store.Encrypt([]byte("an API key"), 0)
	text, _ := json.Marshal(sealed) // to keep anywhere

	kept, _ := secret.ParseEncryptedData(text)
	rotated, _ := store.Rotate(kept, 3)
	value, err := store.Decrypt(rotated)
	fmt.Println(kept.KeyVersion, rotated.KeyVersion, string(value), err)
	// Output: 2 3 an API key <nil>
}
