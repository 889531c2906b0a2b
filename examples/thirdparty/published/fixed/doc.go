// Package fixed runs the scenarios of package published on the versions with the
// fixes. The go.mod of this module is what tells the two apart.
package fixed
