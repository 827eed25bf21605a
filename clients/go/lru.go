package latchkey

import "container/list"

// An lru keeps a bounded number of values and drops the one that was not used for longest. It is not safe for
// concurrent use.
type lru[K comparable, V any] struct {
	most  int
	order *list.List
	items map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](most int) *lru[K, V] {
	return &lru[K, V]{most: most, order: list.New(), items: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(key K) (V, bool) {
	element, ok := l.items[key]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToFront(element)
	return element.Value.(*lruItem[K, V]).value, true
}

func (l *lru[K, V]) put(key K, value V) {
	if element, ok := l.items[key]; ok {
		element.Value.(*lruItem[K, V]).value = value
		l.order.MoveToFront(element)
		return
	}
	l.items[key] = l.order.PushFront(&lruItem[K, V]{key, value})
	if l.order.Len() > l.most {
		l.remove(l.order.Back())
	}
}

// dropIf drops every value for which outdated returns true.
func (l *lru[K, V]) dropIf(outdated func(V) bool) {
	for element := l.order.Front(); element != nil; {
		next := element.Next()
		if outdated(element.Value.(*lruItem[K, V]).value) {
			l.remove(element)
		}
		element = next
	}
}

func (l *lru[K, V]) clear() {
	l.order.Init()
	clear(l.items)
}

func (l *lru[K, V]) len() int { return l.order.Len() }

func (l *lru[K, V]) remove(element *list.Element) {
	delete(l.items, element.Value.(*lruItem[K, V]).key)
	l.order.Remove(element)
}
